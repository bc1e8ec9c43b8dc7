"""The files of writes in a project folder."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from pipedrive_orchestration.sources import BadFile, Problem, Source
from pipedrive_orchestration.sources.validation import did_you_mean
from pipedrive_orchestration.sources.yaml_files import YamlFolder, found, with_id
from pipedrive_orchestration.writing.model import Write, WriteFile


class UnknownWriteError(LookupError):
    """A write that is not there, by slug or id."""


@dataclass(frozen=True, slots=True)
class LoadedWrites:
    """The content of the folder: the writes by slug, and the files that are left out."""

    writes: tuple[Write, ...] = ()
    bad_files: tuple[BadFile, ...] = ()

    def find(self, slug: str) -> Write:
        """The write of that slug.

        Raises:
            InvalidBodyError: Its file is there and is not a write.
            UnknownWriteError: There is no such file; names the near matches.
        """
        return found("write", slug, self.writes, self.bad_files, UnknownWriteError)

    def with_id(self, id_: UUID) -> Write:
        """The write of that id.

        Raises:
            UnknownWriteError: There is none.
        """
        return with_id("write", id_, self.writes, UnknownWriteError)


class WriteStore:
    """The writes of a project folder.

    Args:
        project: The project folder; its writes are ``writes/<slug>.yaml``.
    """

    def __init__(self, project: Path | str) -> None:
        self.folder = Path(project) / "writes"
        self._files = YamlFolder(self.folder, "write")

    def load(self) -> LoadedWrites:
        """Reads every file; a bad one is reported and never keeps the others from loading."""
        read, bad_files = self._files.read(WriteFile.parse)
        originals, copies = self._files.without_copies(Write.of(slug, read[slug]) for slug in sorted(read))
        return LoadedWrites(tuple(originals), (*bad_files, *copies))


def problems_of_links(
    write: Write,
    project: Path,
    sources: Iterable[Source],
    workflows: Collection[str],
    unread: Collection[str] = (),
) -> list[Problem]:
    """Problems between a write and what it refers to: a source, a workflow, a file.

    Args:
        write: the write.
        project: the project folder.
        sources: those of the project.
        workflows: the slugs of its workflows.
        unread: slugs of source files that are no sources; what they are is not known.
    """
    problems = []
    by_slug = {source.slug: source for source in sources}
    if write.source is not None and write.source not in unread:
        source = by_slug.get(write.source)
        if source is None:
            message = f"There is no source `{write.source}`.{did_you_mean(write.source, by_slug)}"
            problems.append(Problem("source", "unknown_source", message))
        elif source.object_type != write.object_type:
            message = f"`{write.source}` has {source.object_type}, not {write.object_type}."
            problems.append(Problem("source", "other_object_type", message))
    if write.workflow is not None and write.workflow not in workflows:
        message = f"There is no workflow `{write.workflow}`.{did_you_mean(write.workflow, workflows)}"
        problems.append(Problem("workflow", "unknown_workflow", message))
    if write.file is not None:
        file = project / write.file
        if not file.is_file():
            problems.append(Problem("file", "no_file", f"There is no file {file}."))
        elif not file.resolve().is_relative_to(project.resolve()):
            # Whoever may put a file into the project need not be one who may read this one.
            message = f"{file} is a link that leads out of the project folder: put the file itself there."
            problems.append(Problem("file", "outside", message))
    return problems
