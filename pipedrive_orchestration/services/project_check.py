"""The problems of the files of a project folder, found without an account, a database or Dagster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipedrive_orchestration.sources import (
    InMemoryKeyValues,
    InvalidBodyError,
    LoadedSources,
    Problem,
    SourceStore,
    read_file,
)
from pipedrive_orchestration.sources.model import SourceFile
from pipedrive_orchestration.sources.yaml_document import Document
from pipedrive_orchestration.sources.yaml_files import YamlFolder, locate
from pipedrive_orchestration.workflows.store import WorkflowStore
from pipedrive_orchestration.workflows.validation import problems_between_files
from pipedrive_orchestration.writing.store import WriteStore, problems_of_links

FOLDERS = {"sources": "source", "workflows": "workflow", "writes": "write", "object_types": "collection"}
"""The folders of a project, and what a file in each is."""


class NoProjectError(Exception):
    """A folder is not a project folder."""

    def __init__(self, folder: Path) -> None:
        *names, last = (f"{name}/" for name in FOLDERS)
        super().__init__(
            f"{folder} holds none of {', '.join(names)} and {last}: name a project folder, or a file of one."
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem and the file that has it; as text one line, as compilers write them."""

    path: Path
    problem: Problem

    @property
    def shown_path(self) -> str:
        """The path from the working folder, where the file is in it."""
        here = Path.cwd()
        return str(self.path.relative_to(here) if self.path.is_relative_to(here) else self.path)

    def __str__(self) -> str:
        # What is quoted of a file may hold anything, and must not command a terminal.
        sentence = " ".join(self.problem.sentence.split())
        printable = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in sentence)
        place = self.problem.place
        return f"{self.shown_path}:{place.line}:{place.column}: {printable}"


@dataclass(frozen=True, slots=True)
class Check:
    """The findings of a check.

    Attributes:
        files: how many were read.
        findings: every problem, by file and position.
    """

    files: int
    findings: tuple[Finding, ...]

    @property
    def bad_files(self) -> int:
        """The number of files that have problems."""
        return len({finding.path for finding in self.findings})


def check_paths(paths: Iterable[Path]) -> Check:
    """Check project folders, the folders in them, or files.

    A file of a project is read together with the others, to which it may refer; a file that lies elsewhere
    is read as a source that is yet to be created.

    Raises:
        NoProjectError: a folder is no project.
    """
    files: set[Path] = set()
    findings: dict[Finding, None] = {}
    checked: dict[Path | None, tuple[list[Path], list[Finding]]] = {}
    for path in map(Path.absolute, paths):
        project = _project_of(path)
        if project is None:
            checked[project] = [path], list(_check_draft(path))
        elif project not in checked:
            checked[project] = _files_of(project), list(_check_project(project))
        read, found = checked[project]
        files.update(file for file in read if file.is_relative_to(path))
        findings.update((finding, None) for finding in found if finding.path.is_relative_to(path))
    return Check(len(files), tuple(sorted(findings, key=lambda each: (each.path, each.problem.place))))


def _project_of(path: Path) -> Path | None:
    """The project that a folder is, or that a folder or file is in; None for a file elsewhere."""
    if path.is_dir() or not path.exists():
        if any((path / name).is_dir() for name in FOLDERS):
            return path
        if path.name in FOLDERS:
            return path.parent
        raise NoProjectError(path)
    project = path.parent.parent
    return project if path in _files_of(project) else None


def _files_of(project: Path) -> list[Path]:
    return [file for name, kind in FOLDERS.items() for file in YamlFolder(project / name, kind).files()]


def _check_project(project: Path) -> Iterator[Finding]:
    sources = SourceStore(project, InMemoryKeyValues()).load()
    workflows = WorkflowStore(project).load()
    writes = WriteStore(project).load()
    for bad in (*sources.bad_files, *workflows.bad_files, *writes.bad_files):
        for problem in bad.problems:
            yield Finding(Path(bad.path), problem)
    for path in YamlFolder(project / "workflows", FOLDERS["workflows"]).files():
        yield from _check_links(path, sources)
    unread = [bad.slug for bad in sources.bad_files]
    known = [workflow.slug for workflow in workflows.workflows] + [bad.slug for bad in workflows.bad_files]
    for write in writes.writes:
        path = YamlFolder(project / "writes", FOLDERS["writes"]).file_of(write.slug)
        problems = problems_of_links(write, project, sources.sources, known, unread)
        yield from (Finding(path, problem) for problem in locate(path, problems))


def _check_links(path: Path, sources: LoadedSources) -> Iterator[Finding]:
    """Problems between a workflow's file and the sources."""
    try:
        document = Document.read(path)
    except InvalidBodyError:
        return  # which is told already
    unread = {bad.slug for bad in sources.bad_files}
    problems = problems_between_files(document.content, sources.sources, unread)
    yield from (Finding(path, problem) for problem in document.located(problems))


def _check_draft(path: Path) -> Iterator[Finding]:
    try:
        read_file(path, SourceFile.parse)
    except InvalidBodyError as error:
        yield from (Finding(path, problem) for problem in error.problems)
