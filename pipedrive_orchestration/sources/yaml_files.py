"""Reading one file of a project folder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol, TypeVar
from uuid import UUID

import yaml

from pipedrive_orchestration.sources.model import SourceBody, SourceFile, is_slug, misnamed
from pipedrive_orchestration.sources.validation import InvalidBodyError, Problem, did_you_mean

_MAX_DEPTH = 100

MAX_BYTES = 2**20
"""Of a file in a project folder."""


class _Loader(yaml.CSafeLoader):
    """YAML in which dates stay as written and a key that stands twice is refused.

    The models read dates, so that an impossible one is a problem of its field and not of the whole file.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's attribute
        character: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for character, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is not None and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"`{key}` stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def read_body(path: Path, created_on: date) -> SourceBody:
    """Reads the body of a source that is about to be created, from a file of any name.

    Raises:
        InvalidBodyError: With every problem of the content.
    """
    return SourceBody.parse(content_of(text_of(path)), created_on=created_on)


def refuse_endless(path: Path) -> None:
    """Refuses what cannot be read to its end: a pipe or a device, or what a link to one leads to.

    Raises:
        InvalidBodyError: It is such a thing, or far longer than a file of a project is.
    """
    if path.exists() and not path.is_file():
        raise InvalidBodyError([Problem("", "unreadable", "Cannot be read: it is no ordinary file.")])
    if path.exists() and path.stat().st_size > MAX_BYTES:
        raise InvalidBodyError([Problem("", "too_large", f"Must not be larger than {MAX_BYTES:,} bytes.")])


def read_source_file(path: Path) -> SourceFile:
    """Reads what a source file holds, which has the source's identity beside its body.

    Raises:
        InvalidBodyError: With every problem of the content.
    """
    return SourceFile.parse(content_of(text_of(path)))


def text_of(path: Path) -> str:
    """The text of a file in a project folder.

    Raises:
        InvalidBodyError: It cannot be read, or is not text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidBodyError([Problem("", "invalid_yaml", f"This is not YAML: {error}.")]) from None
    except OSError as error:
        raise InvalidBodyError([Problem("", "unreadable", f"Cannot be read: {error.strerror}.")]) from None


def content_of(text: str) -> Any:
    """What the text of a file holds.

    Raises:
        InvalidBodyError: It is not YAML, or not such as a source can be.
    """
    try:
        _refuse_deep_nesting(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except InvalidBodyError:
        raise
    except yaml.MarkedYAMLError as error:
        raise InvalidBodyError([Problem("", "invalid_yaml", _where_and_why(error))]) from None
    except (yaml.YAMLError, ValueError) as error:
        reason = re.sub(r"\s+", " ", str(error))
        raise InvalidBodyError([Problem("", "invalid_yaml", f"This is not YAML: {reason}.")]) from None


def _refuse_deep_nesting(text: str) -> None:
    # libyaml composes by recursion and takes the process down where the stack ends.
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise InvalidBodyError([Problem("", "too_deep", f"Nested more than {_MAX_DEPTH} levels deep.")])


def _where_and_why(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    hint = " Text that begins with * must be quoted." if "alias" in str(error.context) else ""
    return f"This is not YAML: {where}{error.problem or error.context}.{hint}"


_ENDINGS = (".yaml", ".yml")


class _Named(Protocol):
    """A source, or a workflow."""

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
    """

    path: Path
    kind: str

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
                refuse_endless(path)
                content = parse(content_of(text_of(path)))
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
                problem = Problem("id", "duplicate_id", message)
                copies.append(BadFile(str(self.file_of(item.slug)), item.slug, (problem,)))
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
        return problems


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


def not_there(kind: str, slug: str, items: Sequence[_Named]) -> str:
    """Says that there is no file of that slug, and which ones there are."""
    known = [item.slug for item in items]
    listed = f" {kind.capitalize()}s: {', '.join(known)}." if known else f" There are no {kind}s."
    return f"There is no {kind} `{slug}`.{did_you_mean(slug, known)}{listed}"
