"""The journal that makes an account durable: how it was born and every write since.

The file holds JSON lines: first seed, scale and birth, then one line per successful write with its
instant, method, path and body. An account is generated as of its birth and the writes are repeated at
their instants, so that a later start shows the same account.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from pipedrive_orchestration.demo.clock import V2_TIME


class JournalError(Exception):
    """A journal that cannot be used; the message names the file, the line and what to do."""


@dataclass(frozen=True, slots=True)
class Birth:
    """How an account began."""

    seed: int
    scale: float
    born: datetime


@dataclass(frozen=True, slots=True)
class Write:
    """A write that succeeded: when, and what was sent."""

    at: datetime
    method: str
    path: str
    body: bytes


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
        try:
            self._lines = _whole_lines(path)
            self._file = path.open("ab")
        except OSError as error:
            raise JournalError(f"{path} cannot be opened: {error.strerror}") from error
        if not self._lines:
            self._write(_header(birth))
            self.birth = birth
        else:
            self.birth = self._read_birth(birth)

    def _read_birth(self, asked: Birth) -> Birth:
        try:
            found = _birth(self._path, self._lines[0])
        except JournalError:
            self.close()
            raise
        if (found.seed, found.scale) != (asked.seed, asked.scale):
            self.close()
            raise JournalError(
                f"{self._path} belongs to an account with seed {found.seed} and scale {found.scale:g}; "
                "start it with these, or choose another file"
            )
        return found

    def writes(self) -> Iterator[Write]:
        """The writes that the file held when it was opened.

        Raises:
            JournalError: a line cannot be read.
        """
        for number, line in enumerate(self._lines[1:], start=2):
            try:
                entry = orjson.loads(line)
                body = b"" if entry["body"] is None else orjson.dumps(entry["body"])
                yield Write(_instant(entry["at"]), entry["method"], entry["path"], body)
            except (ValueError, KeyError, TypeError) as error:
                raise JournalError(f"{self._path}, line {number}: not a write of a demo account") from error

    def append(self, at: datetime, method: str, path: str, content: bytes) -> None:
        """Keeps a write that has just succeeded; it is with the operating system on return."""
        body = orjson.loads(content) if content else None
        self._write({"at": at.strftime(V2_TIME), "method": method, "path": path, "body": body})

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _write(self, entry: dict[str, Any]) -> None:
        self._file.write(orjson.dumps(entry) + b"\n")
        self._file.flush()


def birth_in(path: Path) -> Birth | None:
    """The birth of the account that a file keeps; None where there is no file, or an empty one.

    Raises:
        JournalError: the file is no journal, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            header = file.readline()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalError(f"{path} cannot be opened: {error.strerror}") from error
    return _birth(path, header) if header.endswith(b"\n") else None


def _birth(path: Path, header: bytes) -> Birth:
    try:
        told = orjson.loads(header)
        return Birth(told["seed"], told["scale"], _instant(told["born"]))
    except (ValueError, KeyError, TypeError) as error:
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


def _header(birth: Birth) -> dict[str, Any]:
    return {"seed": birth.seed, "scale": birth.scale, "born": birth.born.strftime(V2_TIME)}


def _instant(text: str) -> datetime:
    return datetime.strptime(text, V2_TIME).replace(tzinfo=UTC)
