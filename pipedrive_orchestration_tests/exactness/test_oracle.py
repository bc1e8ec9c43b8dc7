"""The comparison itself: it sees every kind of difference, so that finding none means something."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import duckdb
import pytest

from pipedrive_orchestration.demo import OPERATIONS, DemoServer
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN, FIELD_TABLES
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration_tests.exactness.churn import FAMILIES, Churn
from pipedrive_orchestration_tests.exactness.list_writes import NEW
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.exactness.truth import differences, kinds_of, members

DAMAGES = {
    "DELETE FROM pipedrive.deals WHERE _id = {id}": "is missing",
    "UPDATE pipedrive.deals SET _is_current = false WHERE _id = {id}": "is missing",
    "UPDATE pipedrive.deals SET title = 'other' WHERE _id = {id}": ".title",
    "UPDATE pipedrive.deals SET value = value + 0.01 WHERE _id = {id}": ".value",
    "UPDATE pipedrive.deals SET _update_time = now() WHERE _id = {id}": "._update_time",
    "UPDATE pipedrive.deals SET _is_archived = true WHERE _id = {id}": "._is_archived",
    "UPDATE pipedrive.deals SET _removal = 'deleted' WHERE _id = {id}": "has a removal",
    "UPDATE pipedrive.deals SET _is_current = true WHERE NOT _is_current": "should not be current",
    "UPDATE pipedrive.deals SET _removal = 'invisible' WHERE NOT _is_current": "._removal is invisible",
    "UPDATE pipedrive.deals SET _removed_at = NULL WHERE NOT _is_current": "since when",
}


@pytest.fixture(scope="module")
def imported(demo: DemoServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trial, Source]:
    """Deals, one of which left; read them, do not change them."""
    trial = Trial(demo, tmp_path_factory.mktemp("imported"))
    source = trial.whole_source("deals", options={"include_archived": True})
    trial.windows(source)
    with trial.warehouse.writing() as connection:
        connection.execute(
            "INSERT INTO pipedrive.deals (_id, _is_current, _removal, _removed_at, _is_archived) "
            "SELECT ?, false, 'deleted', now(), false",
            [next(record["id"] for record in demo.account.records("deals") if record["is_deleted"])],
        )
    assert trial.differences(source) == []
    return trial, source


@contextmanager
def damaged(trial: Trial, sql: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse as it is after a statement, which is taken back at the end."""
    with suppress(_TakenBack), trial.warehouse.writing() as connection:
        connection.execute(sql)
        yield connection
        raise _TakenBack


class _TakenBack(Exception):
    pass


@pytest.mark.parametrize(("damage", "seen"), DAMAGES.items())
def test_every_kind_of_damage_is_seen(imported: tuple[Trial, Source], damage: str, seen: str) -> None:
    trial, source = imported
    deal = next(iter(members(trial.demo.account, source)))
    with damaged(trial, damage.format(id=deal)) as connection:
        listed = differences(connection, trial.demo.account, source)
    assert any(seen in difference for difference in listed), listed


def test_every_column_is_compared(imported: tuple[Trial, Source]) -> None:
    """A cell of every property that has a value somewhere is emptied, and each is noticed."""
    trial, source = imported
    truth = members(trial.demo.account, source)
    seen = set()
    for kind in kinds_of(trial.demo.account, "deals").values():
        record_id = next((one for one, record in truth.items() if kind.of(record) is not None), None)
        if record_id is None:
            continue
        only = frozenset({record_id})
        with damaged(
            trial, f'UPDATE pipedrive.deals SET "{kind.key}" = NULL WHERE _id = {record_id}'
        ) as wrong:
            listed = differences(wrong, trial.demo.account, source, only=only)
        assert [difference.split(" ")[0] for difference in listed] == [f"{record_id}.{kind.key}"]
        seen.add(kind.field_type)
    assert seen >= {"enum", "set", "monetary", "daterange", "time", "timerange", "address", "date", "people"}


@pytest.mark.parametrize("family", FAMILIES)
def test_churn_reaches_every_family(fresh_demo: Callable[..., DemoServer], family: str) -> None:
    server = fresh_demo()
    before = server.account.records(family)
    churn = Churn(server, seed=5, families=(family,))
    churn.steps(40)
    after = server.account.records(family)
    old, new = ({record["id"]: record for record in records} for records in (before, after))
    assert churn.writes == 40
    assert new.keys() - old.keys(), "something was created"
    assert any(old[one] != new[one] for one in old.keys() & new.keys()), "something was changed"


def test_the_same_seed_writes_the_same(fresh_demo: Callable[..., DemoServer]) -> None:
    born = datetime(2026, 3, 1, tzinfo=UTC)
    accounts = [fresh_demo(born=born) for _ in range(2)]
    for server in accounts:
        with server.account.clock.at(born):
            Churn(server, seed=6).steps(60)
    one, other = ({family: server.account.records(family) for family in FAMILIES} for server in accounts)
    assert one == other


def test_all_that_can_be_written_is() -> None:
    written = {one.resource for one in OPERATIONS if one.method == "POST" and one.subpath == ""}
    # Subscriptions to webhooks, files, fields and what is read by its parent have tests of their own.
    apart = {"webhooks", "files", *(one.name for one in FIELD_TABLES)}
    apart |= {name for name, one in BUILT_IN.items() if one.parent is not None}
    assert {*FAMILIES, *NEW} == written & set(BUILT_IN) - apart
