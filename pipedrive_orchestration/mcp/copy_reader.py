"""Questions to the published copy, each answered in a process of its own that can do nothing else."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any

import anyio

from pipedrive_orchestration.mcp import query_process
from pipedrive_orchestration.warehouse.publish import ANYONE_WRITES

MOST_ROWS = 1_000
"""Rows of an answer."""

MOST_BYTES = 200_000
"""Bytes of an answer's rows as JSON."""

LONGEST_SECONDS = 10.0
"""Seconds that an answer may take."""

MOST_MEMORY = 2**31
"""Bytes that its process may have."""

AT_ONCE = 2
"""How many questions are answered at a time; others wait."""


class CopyError(Exception):
    """A question without an answer; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Question:
    """A query.

    Attributes:
        sql: one statement that reads.
        parameters: values of its ``$names``.
        rows: how many rows to answer at most.
    """

    sql: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    rows: int = MOST_ROWS


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query has come to.

    Attributes:
        columns: their names.
        types: DuckDB's words for their types.
        rows: values as JSON has them: instants as text in UTC, numbers that JSON cannot hold as text.
        is_whole: whether there are no more rows than these.
    """

    columns: list[str]
    types: list[str]
    rows: list[list[Any]]
    is_whole: bool

    def records(self) -> list[dict[str, Any]]:
        """The rows with their columns' names."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class CopyReader:
    """The published copy at a path; it may come, and be replaced, at any time.

    Args:
        path: the file.
        seconds: how long answers may take.
    """

    def __init__(self, path: Path, seconds: float = LONGEST_SECONDS) -> None:
        self.path = path.absolute()
        self._seconds = seconds
        self._limiter = anyio.Semaphore(AT_ONCE)
        self._known: dict[str, Answer] = {}
        self._known_of: tuple[datetime, datetime] | None = None

    def times(self) -> tuple[datetime, datetime]:
        """When what the copy holds was committed, and when it was published.

        Raises:
            CopyError: there is no copy.
        """
        try:
            found = self.path.stat()
        except OSError:
            raise CopyError(
                f"There is no published copy at {self.path}. Make one with "
                "`pipedrive-orchestration publish`, or set PIPEDRIVE_PUBLISH so that imports keep one fresh."
            ) from None
        if not stat.S_ISREG(found.st_mode) or found.st_mode & ANYONE_WRITES:
            raise CopyError(
                f"{self.path} is no published copy, since it can be written: make one with "
                "`pipedrive-orchestration publish FILE`, so that imports need not wait for whoever reads."
            )
        # A copy bears the instant of change of its original; the other is that of its renaming.
        return datetime.fromtimestamp(found.st_mtime, UTC), datetime.fromtimestamp(found.st_ctime, UTC)

    async def know(self, question: Question) -> Answer:
        """The answer to a question about the copy itself, which is asked once of each copy.

        Raises:
            CopyError: as of `ask`.
        """
        copy, key = self.times(), json.dumps([question.sql, dict(question.parameters), question.rows])
        if copy != self._known_of:
            self._known, self._known_of = {}, copy
        if key not in self._known:
            (self._known[key],) = await self.ask(question)
        return self._known[key]

    async def ask(self, *questions: Question) -> list[Answer]:
        """The answers to some questions, from one state of the copy.

        Raises:
            CopyError: there is no copy, or a question cannot be answered within the limits.
        """
        self.times()
        request = {
            "copy": str(self.path),
            "memory": MOST_MEMORY,
            "seconds": ceil(self._seconds) + 1,
            "questions": [
                {"sql": one.sql, "parameters": dict(one.parameters), "rows": one.rows, "bytes": MOST_BYTES}
                for one in questions
            ],
        }
        async with self._limiter:
            output = await self._run(json.dumps(request).encode())
        return [Answer(**answer) for answer in json.loads(output)]

    async def _run(self, request: bytes) -> bytes:
        command = [sys.executable, "-I", query_process.__file__]
        with anyio.move_on_after(self._seconds):
            process = await anyio.run_process(command, input=request, check=False, env={}, cwd=os.sep)
            if process.returncode == 0:
                return process.stdout
            if process.returncode == query_process.REFUSED:
                raise CopyError(process.stdout.decode())
            raise CopyError(
                f"The query takes more than {MOST_MEMORY // 2**30} GB of memory: ask for less of it."
            )
        raise CopyError(
            f"The query takes longer than {self._seconds:g} s: ask for less, or for a model that "
            "has it computed."
        )
