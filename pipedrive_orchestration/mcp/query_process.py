"""The process in which questions to the published copy are answered, and nothing else is within their reach.

Run as a script, so that it starts in a tenth of a second: it imports DuckDB and nothing of ours. The request
is JSON on standard input: the file ``copy``, ``memory`` in bytes, ``seconds`` of a processor, and
``questions``, each with ``sql``, ``parameters``, ``rows`` and ``bytes``. The answer is JSON on standard
output: for each question ``columns``, ``types``, ``rows`` and whether they are all (``is_whole``). A refusal
is text, with exit code 3.

Once the copy is open, the process can open nothing more: no file, no connection, no other database.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from typing import Any

import duckdb

REFUSED = 3
"""The exit code where a question cannot be answered."""

LONGEST_TEXT = 2_000
"""Characters of a text that are shown; a longer one ends with how long it is."""

LONGEST_VALUE = 20_000
"""Characters of a list or a struct that are shown; a longer one ends with how many values it has."""

DEEPEST_VALUE = 50
"""Levels of a value that are shown."""


class RefusedError(Exception):
    """A question that is not answered; the message says why and what to do."""


def answers(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The answers to the questions of a request.

    Raises:
        RefusedError: one is no query, or more than one.
        duckdb.Error: one cannot be answered.
    """
    memory = request["memory"]
    with suppress(ValueError, OSError):
        # Where a system has no such limit, DuckDB's own and the time are left.
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    # Who asked ends this process after that time, unless it has been killed itself.
    seconds = request["seconds"]
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    with duckdb.connect(
        request["copy"],
        read_only=True,
        config={
            "threads": 1,
            "memory_limit": f"{memory // 2} B",
            "temp_directory": "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
        },
    ) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        # Files of DuckDB's older versions have lambdas with an arrow.
        connection.execute("SET lambda_syntax = 'ENABLE_SINGLE_ARROW'")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        # What DuckDB imports for some types it cannot import any more later.
        connection.execute("SELECT current_timestamp, uuid(), 1.5::DECIMAL(3, 1), INTERVAL 1 DAY").fetchall()
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
        return [answer(connection, question) for question in request["questions"]]


def answer(connection: duckdb.DuckDBPyConnection, question: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a question.

    Raises:
        RefusedError: it is no query, or more than one.
        duckdb.Error: it cannot be answered.
    """
    statements = connection.extract_statements(question["sql"])
    if len(statements) != 1:
        raise RefusedError(f"One query is answered at a time, and these are {len(statements)}.")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise RefusedError(
            "Only what reads is answered: SELECT, FROM, WITH, VALUES, DESCRIBE, SUMMARIZE, SHOW TABLES."
        )
    result = connection.execute(statements[0], question["parameters"] or None)
    columns = [(name, str(type_)) for name, type_, *_ in result.description or []]
    rows: list[list[Any]] = []
    room = question["bytes"]
    if len(json.dumps(columns)) > room:
        raise RefusedError(f"The answer has {len(columns):,} columns, whose names and types are too long.")
    while (row := result.fetchone()) is not None:
        shown = [_shown(value, _Room(LONGEST_VALUE)) for value in row]
        room -= len(json.dumps(shown, ensure_ascii=False).encode())
        if len(rows) == question["rows"] or (room < 0 and rows):
            break
        rows.append(shown)
    return {
        "columns": [name for name, _ in columns],
        "types": [type_ for _, type_ in columns],
        "rows": rows,
        "is_whole": row is None,
    }


class _Room:
    """The characters and levels that are left to show a value in."""

    def __init__(self, characters: int) -> None:
        self.characters = characters
        self.levels = DEEPEST_VALUE


def _shown(value: Any, room: _Room) -> Any:
    """A value as JSON has it."""
    shown: Any
    match value:
        case str():
            is_short = len(value) <= LONGEST_TEXT
            shown = value if is_short else f"{value[:LONGEST_TEXT]}... ({len(value):,} characters)"
        case None | bool() | int():
            shown = value
        case float():
            shown = value if isfinite(value) else str(value)
        case Decimal():
            shown = float(value) if Decimal(repr(float(value))) == value else str(value)
        case datetime() | date() | time():
            shown = value.isoformat()
        case Mapping():
            return dict(_parts_shown(value, room))
        case list() | tuple():
            return _values_shown(value, room)
        case _:
            return _shown(str(value), room)
    room.characters -= len(str(shown))
    return shown


def _values_shown(values: Sequence[Any], room: _Room) -> list[Any]:
    shown: list[Any] = []
    room.levels -= 1
    for value in values:
        if room.characters <= 0 or room.levels < 0:
            shown.append(f"... ({len(values):,} values)")
            break
        shown.append(_shown(value, room))
    room.levels += 1
    return shown


def _parts_shown(parts: Mapping[Any, Any], room: _Room) -> Iterator[tuple[str, Any]]:
    room.levels -= 1
    for key, value in parts.items():
        if room.characters <= 0 or room.levels < 0:
            yield "...", f"({len(parts):,} values)"
            break
        yield _shown(str(key), room), _shown(value, room)
    room.levels += 1


def main() -> int:
    """The process, from its request to its exit code."""
    try:
        answered = answers(json.load(sys.stdin))
    except (RefusedError, duckdb.Error) as error:
        # It may quote a value of any length.
        sys.stdout.write(str(error)[:LONGEST_TEXT])
        return REFUSED
    json.dump(answered, sys.stdout, ensure_ascii=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
