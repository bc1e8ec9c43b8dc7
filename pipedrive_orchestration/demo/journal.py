"""The journal that makes an account durable: how it was born and every write since.

The file holds JSON lines: first seed, scale and birth, then one line per successful write with its
instant, method, path and body. An account is generated as of its birth and the writes are repeated at
their instants, so that a later start shows the same account.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError


class JournalError(Exception):
    """A journal that cannot be used; the message names the file, the line and what to do."""


class Birth(BaseModel):
    """How an account began."""

    seed: int
    scale: float
    born: datetime


class Write(BaseModel):
    """A write that succeeded: when, and what was sent."""

    at: datetime
    method: str
    path: str
    body: Any

    @property
    def content(self) -> bytes:
        """What was sent, as it was sent."""
        return b"" if self.body is None else orjson.dumps(self.body)


class Journal:
    """A journal file, open for appending.

    Args:
        path: the file; it is created with the given birth if it is missing or empty.
        birth: how the account begins if it has no journal yet.

    Raises:
        JournalError: the file is no journal, belongs to an account of another seed or scale, or cannot
            be opened.
    """

    def __init__(self, path: Path, birth: Birth) -> None:
        self._path = path
        self.birth = birth_in(path) or birth
        if (self.birth.seed, self.birth.scale) != (birth.seed, birth.scale):
            raise JournalError(
                f"{path} belongs to an account with seed {self.birth.seed} and scale {self.birth.scale:g}; "
                "start it with these, or choose another file"
            )
        try:
            self._lines = _whole_lines(path)
            self._file = path.open("ab")
        except OSError as error:
            raise JournalError(f"{path} cannot be opened: {error.strerror}") from error
        if not self._lines:
            self._append(birth)

    def writes(self) -> Iterator[Write]:
        """The writes that the file held when it was opened.

        Raises:
            JournalError: a line cannot be read.
        """
        for number, line in enumerate(self._lines[1:], start=2):
            try:
                yield Write.model_validate_json(line)
            except ValidationError as error:
                raise JournalError(f"{self._path}, line {number}: not a write of a demo account") from error

    def append(self, at: datetime, method: str, path: str, content: bytes) -> None:
        """Keeps a write that has just succeeded; it is with the operating system on return."""
        body = orjson.loads(content) if content else None
        self._append(Write(at=at, method=method, path=path, body=body))

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _append(self, entry: BaseModel) -> None:
        self._file.write(entry.model_dump_json().encode() + b"\n")
        self._file.flush()


def birth_in(path: Path) -> Birth | None:
    """The birth of the account that a file keeps; None where there is no file, or an empty one.

    Raises:
        JournalError: the file is no journal, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            header = file.readline()
        return Birth.model_validate_json(header) if header.endswith(b"\n") else None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalError(f"{path} cannot be opened: {error.strerror}") from error
    except ValidationError as error:
        raise JournalError(f"{path} is not the journal of a demo account; choose another file") from error


def _whole_lines(path: Path) -> list[bytes]:
    """The file's complete lines; a torn last one, left by a crash, is cut off."""
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return whole.splitlines()
