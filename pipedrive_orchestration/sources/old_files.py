"""Files that version 0.1 kept in the project folder: read where nothing is known yet, never changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

FIRST_SEEN_FILE = ".first_seen.json"
HOLDS_FILE = ".holds.json"


class OldFileError(ValueError):
    """A file of version 0.1 is there and does not hold what it should; it is left alone."""

    def __init__(self, path: Path, reason: object, remedy: str) -> None:
        self.path = path
        super().__init__(f"{path} cannot be read ({reason}). {remedy}")


def first_seen(project: Path) -> dict[str, datetime]:
    """When each slug was first seen (UTC); nothing where there is no such file.

    Raises:
        OldFileError: it is damaged.
    """
    return _read(
        project / FIRST_SEEN_FILE,
        lambda content: {slug: _instant(text) for slug, text in content.items()},
        "Until it can, hand-written sources that are new here count as created now. Restore the file, or "
        "delete it to let them be created anew.",
    )


def holds(project: Path) -> dict[UUID, dict[str, Any]]:
    """The fields of each source's hold, by source id; nothing where there is no such file.

    Raises:
        OldFileError: it is damaged.
    """
    return _read(
        project / HOLDS_FILE,
        lambda content: {UUID(key): _fields(entry) for key, entry in content.items()},
        "It says which sources wait for tokens: restore it, or delete it to let all of them be imported.",
    )


_Entries = TypeVar("_Entries")


def _read(path: Path, parse: Callable[[Any], dict[Any, _Entries]], remedy: str) -> dict[Any, _Entries]:
    try:
        return parse(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise OldFileError(path, error, remedy) from error


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no offset")
    return instant.astimezone(UTC)


def _fields(entry: Any) -> dict[str, Any]:
    until, estimated = entry["until"], entry["estimated_tokens"]
    return {
        "estimated_tokens": None if estimated is None else int(estimated),
        "budget": int(entry["budget"]),
        "until": _instant(until).isoformat() if until else None,
    }
