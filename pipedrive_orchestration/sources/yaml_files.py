"""The YAML files of one kind in a project folder: ``<slug>.yaml``, each read alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar
from uuid import UUID

from pipedrive_orchestration.sources.model import is_slug, misnamed
from pipedrive_orchestration.sources.validation import InvalidBodyError, Problem, did_you_mean
from pipedrive_orchestration.sources.yaml_document import Document

_ENDINGS = (".yaml", ".yml")


class _Named(Protocol):
    """What a file holds: a source, or a workflow."""

    @property
    def slug(self) -> str: ...

    @property
    def id(self) -> UUID: ...


_Item = TypeVar("_Item", bound=_Named)
_Content = TypeVar("_Content")


@dataclass(frozen=True, slots=True)
class BadFile:
    """A file that is left out, and why."""

    path: str
    slug: str
    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        return "\n".join([f"{self.path}:", *(f"  {problem}" for problem in self.problems)])


@dataclass(frozen=True, slots=True)
class YamlFolder:
    """The files of a folder, which need not be there.

    Attributes:
        path: The folder.
        kind: What one of its files is: ``source`` or ``workflow``.
        reserved: Slugs that none of them can have.
    """

    path: Path
    kind: str
    reserved: frozenset[str] = frozenset()

    def files(self) -> list[Path]:
        """The files, by slug."""
        if not self.path.is_dir():
            return []
        return sorted(
            path for path in self.path.iterdir() if path.suffix in _ENDINGS and not path.name.startswith(".")
        )

    def slugs(self) -> set[str]:
        """The slugs that are taken, by bad files too."""
        return {path.stem for path in self.files()}

    def file_of(self, slug: str) -> Path:
        """The file of a slug that is there."""
        return next(path for path in self.files() if path.stem == slug)

    def read(self, parse: Callable[[Any], _Content]) -> tuple[dict[str, _Content], list[BadFile]]:
        """What each file holds, by slug; a bad one is left out and never keeps the others from being read.

        Args:
            parse: Makes what is kept of a file's content, or raises `InvalidBodyError`.
        """
        files = self.files()
        namesakes = Counter(path.stem for path in files)
        read: dict[str, _Content] = {}
        bad_files = []
        for path in files:
            problems = self._problems_of_name(path.stem, namesakes[path.stem])
            try:
                content = read_file(path, parse)
            except InvalidBodyError as error:
                problems += error.problems
            if problems:
                bad_files.append(BadFile(str(path), path.stem, tuple(problems)))
            else:
                read[path.stem] = content
        return read, bad_files

    def without_copies(self, items: Iterable[_Item]) -> tuple[list[_Item], list[BadFile]]:
        """Leaves out files that were copied together with their id: the first of the items keeps it."""
        originals: dict[UUID, _Item] = {}
        copies = []
        for item in items:
            original = originals.setdefault(item.id, item)
            if original is not item:
                message = f"This is the id of {original.slug}; remove `id` (and `created_at`) from the copy."
                path = self.file_of(item.slug)
                problems = locate(path, [Problem("id", "duplicate_id", message)])
                copies.append(BadFile(str(path), item.slug, tuple(problems)))
        return list(originals.values()), copies

    def _problems_of_name(self, slug: str, count: int) -> list[Problem]:
        problems = []
        if count > 1:
            names = " and ".join(f"{slug}{ending}" for ending in _ENDINGS)
            message = f"{names} would be one {self.kind}; remove one of them."
            problems.append(Problem("slug", "duplicate_slug", message))
        if not is_slug(slug):
            message = f"{misnamed(slug, self.kind)} The slug is the name of the file."
            problems.append(Problem("slug", "invalid_slug", message))
        if slug in self.reserved:
            message = f"`{slug}` stands for something else and cannot name a {self.kind}; rename the file."
            problems.append(Problem("slug", "reserved_slug", message))
        return problems


def read_file(path: Path, parse: Callable[[Any], _Content]) -> _Content:
    """What a file of any name holds.

    Args:
        path: the file.
        parse: makes what is kept of its content, or raises `InvalidBodyError`.

    Raises:
        InvalidBodyError: With every problem, and its position in the file.
    """
    document = Document.read(path)
    try:
        return parse(document.content)
    except InvalidBodyError as error:
        raise InvalidBodyError(document.located(error.problems)) from None


def locate(path: Path, problems: Iterable[Problem]) -> list[Problem]:
    """Problems that were found later, with their positions in a file that was read before.

    Without positions where the file has changed meanwhile, so that it cannot be read any more.
    """
    try:
        return Document.read(path).located(problems)
    except InvalidBodyError:
        return list(problems)


def named(slug: str, items: Iterable[_Item], bad_files: Iterable[BadFile]) -> _Item | None:
    """The item of that slug, or None where there is no such file.

    Raises:
        InvalidBodyError: Its file is there and was left out.
    """
    for item in items:
        if item.slug == slug:
            return item
    problems = [problem for bad in bad_files if bad.slug == slug for problem in bad.problems]
    if problems:
        raise InvalidBodyError(problems)
    return None


def found(
    kind: str, slug: str, items: Sequence[_Item], bad_files: Iterable[BadFile], unknown: type[LookupError]
) -> _Item:
    """The item of that slug.

    Args:
        kind: what it is, such as ``source``.
        slug: its slug.
        items: those of the folder.
        bad_files: files that were left out.
        unknown: what is raised where there is no such file, with the near matches.

    Raises:
        InvalidBodyError: Its file is there and was left out.
    """
    item = named(slug, items, bad_files)
    if item is None:
        raise unknown(not_there(kind, slug, items))
    return item


def with_id(kind: str, id_: UUID, items: Iterable[_Item], unknown: type[LookupError]) -> _Item:
    """The item of that id; raises ``unknown`` where there is none."""
    for item in items:
        if item.id == id_:
            return item
    raise unknown(f"There is no {kind} with the id {id_}.")


def not_there(kind: str, slug: str, items: Sequence[_Named]) -> str:
    """Says that there is no file of that slug, and which ones there are."""
    known = [item.slug for item in items]
    listed = f" {kind.capitalize()}s: {', '.join(known)}." if known else f" There are no {kind}s."
    return f"There is no {kind} `{slug}`.{did_you_mean(slug, known)}{listed}"
