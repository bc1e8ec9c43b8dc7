"""The folder of YAML files that is the one registry of workflows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from filelock import FileLock

from pipedrive_orchestration.sources import BadFile, InvalidBodyError, Problem
from pipedrive_orchestration.sources.atomic import write_atomically
from pipedrive_orchestration.sources.problems import did_you_mean
from pipedrive_orchestration.sources.reading import content_of, refuse_endless, text_of
from pipedrive_orchestration.sources.slugs import is_slug
from pipedrive_orchestration.workflows.body import Sync, Workflow, WorkflowFile
from pipedrive_orchestration.workflows.editing import with_sync

_ENDINGS = (".yaml", ".yml")
_LOCK_TIMEOUT_SECONDS = 10.0


class UnknownWorkflowError(LookupError):
    """No workflow of that slug or id."""


@dataclass(frozen=True, slots=True)
class LoadedWorkflows:
    """What a reading of the folder gave: the workflows by slug, and the files that are left out."""

    workflows: tuple[Workflow, ...] = ()
    bad_files: tuple[BadFile, ...] = ()

    def find(self, slug: str) -> Workflow:
        """The workflow of that slug.

        Raises:
            InvalidBodyError: Its file is there and is not a workflow.
            UnknownWorkflowError: There is no such file; names the near matches.
        """
        for workflow in self.workflows:
            if workflow.slug == slug:
                return workflow
        problems = [problem for bad in self.bad_files if bad.slug == slug for problem in bad.problems]
        if problems:
            raise InvalidBodyError(problems)
        known = [workflow.slug for workflow in self.workflows]
        listed = f" Workflows: {', '.join(known)}." if known else " There are no workflows."
        raise UnknownWorkflowError(f"There is no workflow `{slug}`.{did_you_mean(slug, known)}{listed}")

    def with_id(self, id_: UUID) -> Workflow:
        """The workflow of that id.

        Raises:
            UnknownWorkflowError: There is none.
        """
        for workflow in self.workflows:
            if workflow.id == id_:
                return workflow
        raise UnknownWorkflowError(f"There is no workflow with the id {id_}.")


class WorkflowStore:
    """The workflows of a project folder.

    Args:
        project: The project folder; its workflows are ``workflows/<slug>.yaml``.
    """

    def __init__(self, project: Path | str) -> None:
        self.folder = Path(project) / "workflows"
        self._lock = FileLock(Path(project) / ".workflows.lock", timeout=_LOCK_TIMEOUT_SECONDS)

    def load(self) -> LoadedWorkflows:
        """Reads every file; a bad one is reported and never keeps the others from loading."""
        paths = self._paths()
        namesakes = Counter(path.stem for path in paths)
        workflows, bad_files = [], []
        for path in paths:
            problems = _problem_of_namesakes(path) if namesakes[path.stem] > 1 else []
            try:
                workflow = _read(path)
            except InvalidBodyError as error:
                problems += error.problems
            if problems:
                bad_files.append(BadFile(str(path), path.stem, tuple(problems)))
            else:
                workflows.append(workflow)
        originals, copies = _without_copies(workflows, {path.stem: str(path) for path in paths})
        return LoadedWorkflows(tuple(originals), (*bad_files, *copies))

    def save_sync(self, slug: str, sync: Sync) -> Workflow:
        """Writes a sync into a workflow's file, in place of the one of the same source if there is one.

        The same sync again changes nothing. A reader sees the file as it was or as it is then.

        Args:
            slug: The workflow.
            sync: What `parse_sync` found right.

        Returns:
            The workflow as its file then says it.

        Raises:
            UnknownWorkflowError: There is no such file.
            InvalidBodyError: The file is not a workflow.
            OSError: The folder cannot be written, or another process is writing there for 10 seconds;
                the file is as it was.
        """
        known = self.load().find(slug)
        if known.sync_of(sync.source) == sync:
            return known
        with self._lock:
            self.load().find(slug)
            path = next(path for path in self._paths() if path.stem == slug)
            text = with_sync(path.read_text(encoding="utf-8-sig"), sync)
            after = Workflow.of(slug, WorkflowFile.parse(content_of(text)))
            write_atomically(path, text)
        return after

    def _paths(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(
            path
            for path in self.folder.iterdir()
            if path.suffix in _ENDINGS and not path.name.startswith(".")
        )


def _read(path: Path) -> Workflow:
    problems = [] if is_slug(path.stem) else [_problem_of_name(path.stem)]
    try:
        refuse_endless(path)
        file = WorkflowFile.parse(content_of(text_of(path)))
    except InvalidBodyError as error:
        raise InvalidBodyError([*problems, *error.problems]) from None
    if problems:
        raise InvalidBodyError(problems)
    return Workflow.of(path.stem, file)


def _problem_of_name(slug: str) -> Problem:
    return Problem(
        "slug",
        "invalid_slug",
        f"`{slug}` cannot name a workflow: small letters, digits and underscores, a letter first, at most "
        "63 characters. The slug is the name of the file.",
    )


def _problem_of_namesakes(path: Path) -> list[Problem]:
    names = " and ".join(f"{path.stem}{ending}" for ending in _ENDINGS)
    return [Problem("slug", "duplicate_slug", f"{names} would be one workflow; remove one of them.")]


def _without_copies(
    workflows: Iterable[Workflow], paths: dict[str, str]
) -> tuple[list[Workflow], list[BadFile]]:
    """A file that was copied together with its id is left out."""
    originals: dict[UUID, Workflow] = {}
    copies = []
    for workflow in workflows:
        original = originals.setdefault(workflow.id, workflow)
        if original is not workflow:
            problem = Problem("id", "duplicate_id", f"This is the id of {original.slug}; remove it here.")
            copies.append(BadFile(paths[workflow.slug], workflow.slug, (problem,)))
    return list(originals.values()), copies
