"""Reading one file of a project folder."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from pipedrive_orchestration.sources.body import SourceBody
from pipedrive_orchestration.sources.problems import InvalidBodyError, Problem
from pipedrive_orchestration.sources.source import SourceFile

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
