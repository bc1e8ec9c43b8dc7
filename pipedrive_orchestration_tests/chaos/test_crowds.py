"""Many at once: imports, a backfill and readers on one warehouse, while users write."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration_tests.chaos.enduring import assert_right
from pipedrive_orchestration_tests.chaos.sizes import in_full
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.test_imports_at_once import at_once
from pipedrive_orchestration_tests.warehouse.processes import let_go, python, wait_until_ready

READER = """
    import select, sys
    from pipedrive_orchestration.warehouse import Warehouse

    warehouse, reads = Warehouse(sys.argv[1]), 0
    while not select.select([sys.stdin], [], [], 0.1)[0]:
        with warehouse.reading() as connection:
            for (table,) in connection.execute(
                "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'pipedrive'"
            ).fetchall():
                total, distinct = connection.execute(
                    f'SELECT count(*), count(DISTINCT _id) FROM pipedrive."{table}"'
                ).fetchone()
                assert total == distinct, table
        reads += 1
        print(reads, flush=True)
"""


@in_full
@pytest.mark.usefixtures("short_pages")
def test_eight_imports_a_backfill_and_two_readers_while_users_write(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.005)
    sources = [trial.source(name) for name in ("persons", "deals", "notes", "stages")]
    trial.changes(sources[0])
    churn = Churn(trial.demo, seed=1)
    with ExitStack() as stack:
        readers = [stack.enter_context(python(READER, trial.warehouse.database)) for _ in range(2)]
        for reader in readers:
            wait_until_ready(reader)
        with churn.running(per_second=40):
            imports = [lambda source=source: trial.windows(source) for source in sources]
            imports += [lambda source=source: trial.changes(source) for source in sources]
            backfill = trial.source("activities")
            at_once(*imports, lambda: trial.windows(backfill, trial.all_windows(backfill)[:-1]))
        for reader in readers:
            let_go(reader)
            output, errors = reader.communicate(timeout=30)
            assert reader.returncode == 0, errors
            assert int(output.split()[-1]) > 1
    for source in (*sources, backfill):
        if source is backfill:
            trial.windows(source)
        trial.changes(source)
        assert_right(trial, source)
    with Warehouse(trial.warehouse.database).reading() as connection:
        (failed,) = connection.execute(
            "SELECT count(*) FROM import_ledger.imports WHERE status <> 'succeeded'"
        ).fetchall()
    assert failed == (0,)
