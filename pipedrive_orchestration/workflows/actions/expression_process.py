"""The process in which one expression of a user's is evaluated, and nothing else is within its reach.

Run as a script, so that it starts in a tenth of a second: it imports DuckDB and nothing of ours. The request
is JSON on standard input: ``expression``, ``sql_type``, the Parquet file ``rows`` with ``_run_id``,
``_row_id`` and the columns that the expression sees, the Parquet file ``values`` to be written with
``_run_id``, ``_row_id`` and ``_value`` (a list of one value; null where the expression fails), and
``memory``, the bytes that the process may have. A refusal is one line on standard output, with exit code 3.
"""

from __future__ import annotations

import json
import resource
import sys
from contextlib import suppress
from typing import Any

import duckdb

REFUSED = 3
"""The exit code of an expression that can be evaluated for no row."""


def evaluate(request: dict[str, Any]) -> None:
    """Write the values of an expression for some rows.

    Raises:
        duckdb.Error: it can be evaluated for no row.
    """
    with suppress(ValueError, OSError):
        # Where a system has no such limit, DuckDB's own and the time are left.
        resource.setrlimit(resource.RLIMIT_AS, (request["memory"], request["memory"]))
    with duckdb.connect(
        config={
            "threads": 1,
            "memory_limit": f"{request['memory'] // 2} B",
            "temp_directory": "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    ) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("CREATE TABLE queued AS FROM read_parquet($rows)", {"rows": request["rows"]})
        connection.execute("SET allowed_paths = $values", {"values": [request["values"]]})
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        # Within TRY an expression can hold no subquery, no aggregate and nothing volatile.
        value = f"TRY([CAST((\n{request['expression']}\n) AS {request['sql_type']})])"
        connection.execute(
            f"COPY (SELECT _run_id, _row_id, {value} AS _value FROM queued) TO $values (FORMAT parquet)",
            {"values": request["values"]},
        )


def main() -> int:
    """The process, from its request to its exit code."""
    try:
        evaluate(json.load(sys.stdin))
    except duckdb.Error as error:
        sys.stdout.write(str(error).splitlines()[0])
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
