"""The folder of YAML files that is the one registry of workflows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from filelock import FileLock

from pipedrive_orchestration.replacing import replace_content
from pipedrive_orchestration.sources import BadFile
from pipedrive_orchestration.sources.reading import content_of
from pipedrive_orchestration.sources.yaml_folder import YamlFolder, named, not_there
from pipedrive_orchestration.workflows.body import Sync, Workflow, WorkflowFile
from pipedrive_orchestration.workflows.editing import with_sync

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
        workflow = named(slug, self.workflows, self.bad_files)
        if workflow is None:
            raise UnknownWorkflowError(not_there("workflow", slug, self.workflows))
        return workflow

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
        self._files = YamlFolder(self.folder, "workflow")
        self._lock = FileLock(Path(project) / ".workflows.lock", timeout=_LOCK_TIMEOUT_SECONDS)

    def load(self) -> LoadedWorkflows:
        """Reads every file; a bad one is reported and never keeps the others from loading."""
        read, bad_files = self._files.read(WorkflowFile.parse)
        originals, copies = self._files.without_copies(
            [Workflow.of(slug, file) for slug, file in read.items()]
        )
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
            path = self._files.file_of(slug)
            text = with_sync(path.read_text(encoding="utf-8-sig"), sync)
            after = Workflow.of(slug, WorkflowFile.parse(content_of(text)))
            replace_content(path, text.encode(), mode=0o644)
        return after
