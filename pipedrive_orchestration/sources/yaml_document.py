"""A YAML document: its content, and where in the text each part of it stands.

What a file of a project may hold is the plain part of YAML: mappings with texts as keys, lists, texts,
numbers, true, false and null. Nothing in it stands for something that is written elsewhere, so what is read
is never larger than what was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import yaml

from pipedrive_orchestration.files import EncodingError, text_in_utf8
from pipedrive_orchestration.sources.validation import InvalidBodyError, Position, Problem

MAX_BYTES = 2**20
"""Of a file in a project folder."""

_MAX_DEPTH = 100
_MAX_NODES = 100_000
_MAX_DIGITS = 38
"""Of an integer: as many as the widest integer type of the database takes."""
_MAX_TOLD = 20
"""Repetitions of one mistake that are told of; a file that is nothing but them is not listed in full."""

_START = Position(1, 1)
_NO_TEXT = yaml.reader.Reader.NON_PRINTABLE
_MERGE = "tag:yaml.org,2002:merge"
_CODES_OF_KEYS = frozenset({"unknown_field", "unknown_input", "duplicate_input"})
"""Problems of a key; others are problems of the value beside it."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a text holds, and where.

    Attributes:
        content: mappings, lists, texts, numbers, booleans and None; dates are texts.
        root: the same with its marks; None where the text is empty.
    """

    content: Any
    root: yaml.Node | None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file.

        Raises:
            InvalidBodyError: It cannot be read, is no text, or is not such a document.
        """
        return cls.parse(_decoded(_bytes_of(path)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a text.

        Raises:
            InvalidBodyError: It is not such a document; with every place that is wrong, as far as the rest
                can be told apart.
        """
        refused = _NO_TEXT.search(text)
        if refused:
            raise InvalidBodyError([_unprintable(text, refused.start())])
        try:
            problems = list(_refusals(text))
            if problems:
                raise InvalidBodyError(problems[:_MAX_TOLD])
            loader = _Loader(text)
            root = loader.get_single_node()
            content = None if root is None else loader.construct_document(root)
        except yaml.MarkedYAMLError as error:
            raise InvalidBodyError([_syntax_error(text, error)]) from None
        except yaml.YAMLError as error:
            reason = re.sub(r"\s+", " ", str(error))
            raise InvalidBodyError([Problem("", "invalid_yaml", f"This is not YAML: {reason}.")]) from None
        if loader.problems:
            raise InvalidBodyError(loader.problems[:_MAX_TOLD])
        return cls(content, root)

    def located(self, problems: Iterable[Problem]) -> list[Problem]:
        """The problems with their positions, in the order of the text."""
        placed = [
            problem if problem.position else replace(problem, position=self._position_of(problem))
            for problem in problems
        ]
        return sorted(placed, key=lambda problem: problem.position or _START)

    def _position_of(self, problem: Problem) -> Position:
        """Where the key or value of a problem stands; of one that is missing, the mapping that lacks it."""
        if self.root is None:
            return _START
        key, node, rest = None, self.root, problem.field
        while rest:
            step = _step(node, rest)
            if step is None:
                return _position(node.start_mark)
            key, node, rest = step
        is_empty = node.start_mark.index == node.end_mark.index
        of_key = key is not None and (is_empty or problem.code in _CODES_OF_KEYS)
        return _position((key if key is not None and of_key else node).start_mark)


def _step(node: yaml.Node, path: str) -> tuple[yaml.Node | None, yaml.Node, str] | None:
    """The key, the node and the rest of the path behind the first part of a path such as ``a[0].b``."""
    if isinstance(node, yaml.SequenceNode):
        index = re.match(r"\[(\d+)\]\.?", path)
        if index is None or int(index[1]) >= len(node.value):
            return None
        return None, node.value[int(index[1])], path[index.end() :]
    if not isinstance(node, yaml.MappingNode):
        return None
    # A key may hold dots and brackets itself; the longest one that fits is meant.
    fitting = [
        (len(name), key, value)
        for key, value in node.value
        for name in {key.value, key.value.strip("{ }")}
        if path.startswith(name) and path[len(name) : len(name) + 1] in ("", ".", "[")
    ]
    if not fitting:
        return None
    length, key, value = max(fitting, key=lambda each: each[0])
    return key, value, path[length:].removeprefix(".")


def _position(mark: Any) -> Position:
    return Position(mark.line + 1, mark.column + 1)


class _Loader(yaml.CSafeLoader):
    """Makes the content of a document that `_refusals` has nothing against.

    Dates and times stay as written, so that an impossible one is a problem of its field and not of the
    whole file; so do numbers that only YAML reads as such (``12:30`` as 750, ``010`` as 8) and ``=``.
    """

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's attribute

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.problems: list[Problem] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: ARG002, FBT001, FBT002 - PyYAML's signature
        """The mapping by the texts of its keys, whatever else YAML would read them as."""
        content: dict[Any, Any] = {}
        for key, value in node.value:
            problem = _problem_of_key(key, content)
            if problem:
                self.problems.append(problem)
            else:
                content[key.value] = self.construct_object(value, deep=True)
        return content

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        """The integer, unless it is absurdly long."""
        if len(node.value.lstrip("+-")) > _MAX_DIGITS:
            message = f"A number has at most {_MAX_DIGITS} digits; quote it if it is a text."
            self.problems.append(Problem("", "number_too_long", message, _position(node.start_mark)))
            return 0
        return int(node.value)


def _problem_of_key(key: yaml.Node, known: dict[Any, Any]) -> Problem | None:
    at = _position(key.start_mark)
    if not isinstance(key, yaml.ScalarNode):
        return Problem("", "invalid_key", "A key is a text, not a list or a mapping.", at)
    if key.tag == _MERGE:
        message = "`<<` would bring in what stands elsewhere: write the keys out, or quote it."
        return Problem("", "expansion", message, at)
    if key.value in known:
        return Problem("", "duplicate_key", f"`{key.value}` stands twice.", at)
    return None


# A pattern takes part of what YAML 1.1 takes, so that what its writers leave unquoted reads back as it was.
_FLOAT = (
    r"[-+]?[0-9]+\.[0-9]*([eE][-+][0-9]+)?|\.[0-9]+([eE][-+][0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
for _tag, _pattern, _first in (
    ("bool", r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "yYnNtTfFoO"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
    ("merge", "<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), list(_first))
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_integer)


def _refusals(text: str) -> Iterator[Problem]:
    """What a document must not have, found before any of it is made.

    libyaml makes nodes by recursion and takes the process down where the stack ends.

    Raises:
        InvalidBodyError: It is too large or too deep to go on.
    """
    depth = documents = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        at = _position(event.start_mark)
        if count > _MAX_NODES:
            message = f"Must not have more than {_MAX_NODES:,} keys and values."
            raise InvalidBodyError([Problem("", "too_large", message, at)])
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            message = f"Nested more than {_MAX_DEPTH} levels deep."
            raise InvalidBodyError([Problem("", "too_deep", message, at)])
        documents += isinstance(event, yaml.DocumentStartEvent)
        if documents > 1:
            message = "A second document begins here: a file holds one. Move it to a file of its own."
            raise InvalidBodyError([Problem("", "several_documents", message, at)])
        if isinstance(event, yaml.NodeEvent):
            problem = _refusal(event, at)
            if problem:
                yield problem


def _refusal(event: yaml.NodeEvent, at: Position) -> Problem | None:
    if event.anchor is not None:
        sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
        message = (
            f"`{sign}{event.anchor}` is YAML's way of writing once what stands in several places: write it "
            f"out, and quote a text that begins with {sign}."
        )
        return Problem("", "expansion", message, at)
    tag = getattr(event, "tag", None)
    if tag is not None:
        return Problem("", "tag", f"`{tag}` is a tag; write the value without one, or quote it.", at)
    return None


def _syntax_error(text: str, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    # At the end of a text libyaml is in the line behind the last one.
    at = min(_position(mark) if mark else _START, _position_at(text))
    message = f"This is not YAML: {error.problem or error.context}.{_hint(text, at, str(error))}"
    return Problem("", "invalid_yaml", message, at)


def _hint(text: str, at: Position, error: str) -> str:
    rest = "".join(_lines(text)[at.line - 1 : at.line])[at.column - 1 :]
    if rest.startswith("\t"):
        return " Indent with blanks: YAML takes no tabs there."
    if "while scanning an alias" in error:
        return " Text that begins with * must be quoted."
    if "while scanning an anchor" in error:
        return " Text that begins with & must be quoted."
    if rest[:1] in ("@", "`", "%"):
        return f" Text that begins with {rest[0]} must be quoted."
    if "mapping values are not allowed" in error:
        return " Quote a text that holds a colon, and look at how the lines are indented."
    return ""


def _unprintable(text: str, index: int) -> Problem:
    message = f"The character U+{ord(text[index]):04X} cannot be in a file; remove it."
    return Problem("", "invalid_character", message, _position_at(text[:index]))


def _position_at(before: str) -> Position:
    """The position behind some text."""
    lines = _lines(before)
    return Position(len(lines), len(lines[-1]) + 1)


def _lines(text: str) -> list[str]:
    """The lines of a text as YAML counts them; at least one."""
    return re.split("\r\n|[\n\r\x85\u2028\u2029]", text)


def _bytes_of(path: Path) -> bytes:
    # What is no file, such as a pipe or a device behind a link, may have no end.
    if path.exists() and not path.is_file():
        raise InvalidBodyError([Problem("", "unreadable", "Cannot be read: it is no ordinary file.")])
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidBodyError([Problem("", "unreadable", f"Cannot be read: {error.strerror}.")]) from None
    if len(content) > MAX_BYTES:
        raise InvalidBodyError([Problem("", "too_large", f"Must not be larger than {MAX_BYTES:,} bytes.")])
    return content


def _decoded(content: bytes) -> str:
    try:
        return text_in_utf8(content)
    except EncodingError as error:
        message = "A letter here is saved in an encoding other than UTF-8: save the file as UTF-8."
        if error.is_utf_16:
            message = "The file is saved as UTF-16, or is no text: save it as UTF-8."
        position = _position_at(error.before)
        raise InvalidBodyError([Problem("", "invalid_encoding", message, position)]) from None
