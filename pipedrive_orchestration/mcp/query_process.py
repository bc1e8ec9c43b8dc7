"""The process in which questions to the published copy are answered, and nothing else is within their reach.

Run as a script, so that it starts in a tenth of a second: it imports DuckDB and nothing of ours. The request
is JSON on standard input: the file ``copy``, ``memory`` in bytes, and ``questions``, each with ``sql``,
``parameters``, ``rows`` and ``bytes``. The answer is JSON on standard output: for each question ``columns``,
``types``, ``rows`` and whether they are all (``is_whole``). A refusal is text, with exit code 3.

Once the copy is open, the process can open nothing more: no file, no connection, no other database.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Mapping
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
    columns = result.description or []
    rows: list[list[Any]] = []
    room = question["bytes"]
    while (row := result.fetchone()) is not None:
        shown = [_shown(value) for value in row]
        room -= len(json.dumps(shown, ensure_ascii=False).encode())
        if len(rows) == question["rows"] or (room < 0 and rows):
            break
        rows.append(shown)
    return {
        "columns": [column[0] for column in columns],
        "types": [str(column[1]) for column in columns],
        "rows": rows,
        "is_whole": row is None,
    }


def _shown(value: Any) -> Any:
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
            shown = {str(key): _shown(each) for key, each in value.items()}
        case list() | tuple():
            shown = [_shown(each) for each in value]
        case _:
            shown = _shown(str(value))
    return shown


def main() -> int:
    """The process, from its request to its exit code."""
    try:
        answered = answers(json.load(sys.stdin))
    except (RefusedError, duckdb.Error) as error:
        sys.stdout.write(str(error))
        return REFUSED
    json.dump(answered, sys.stdout, ensure_ascii=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
