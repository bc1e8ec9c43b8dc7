"""What is remembered of sources, in the storage of a Dagster instance."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from uuid import uuid4

import dagster as dg
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.services.dagster_internals import InstanceKeyValues
from pipedrive_orchestration.services.deployment import store_of
from pipedrive_orchestration.services.names import DagsterNames
from pipedrive_orchestration.sources import Hold, InMemoryKeyValues, KeyValues
from pipedrive_orchestration_tests.instances import dagster_instance
from pipedrive_orchestration_tests.sources.bodies import active_body

SLUGS = [f"s{number}" for number in range(20)]


@pytest.fixture(params=["persistent", "ephemeral"])
def instance(request: pytest.FixtureRequest) -> Iterator[dg.DagsterInstance]:
    if request.param == "ephemeral":
        with dg.DagsterInstance.ephemeral() as instance:
            yield instance
    else:
        with dagster_instance() as instance:
            yield instance


def test_what_is_added_first_stays_and_what_is_put_last_counts(instance: dg.DagsterInstance) -> None:
    for store in (InMemoryKeyValues(), InstanceKeyValues(instance, "pipedrive")):
        _check(store)


def _check(store: KeyValues) -> None:
    assert store.read(["a", "b"]) == {}
    store.add({"a": "1"})
    store.add({"a": "2", "b": "3"})
    assert store.read(["a", "b", "c"]) == {"a": "1", "b": "3"}
    store.put("a", "4")
    store.put("c", "")
    assert store.read(["a", "b", "c"]) == {"a": "4", "b": "3", "c": ""}
    assert store.read([]) == {}
    store.add({})


def test_accounts_do_not_meet(instance: dg.DagsterInstance) -> None:
    one, other = InstanceKeyValues(instance, "pipedrive"), InstanceKeyValues(instance, "acme")
    one.add({"a": "1"})
    assert other.read(["a"]) == {}
    other.put("a", "2")
    assert one.read(["a"]) == {"a": "1"}


@pytest.fixture(scope="module")
def long_names() -> Iterator[InstanceKeyValues]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield InstanceKeyValues(instance, "an_account_with_a_long_name")


@settings(deadline=None)
@given(keys=st.sets(st.text("abc_/", min_size=1, max_size=90), min_size=2, max_size=6))
def test_keys_of_any_length_stay_apart_and_short(long_names: InstanceKeyValues, keys: set[str]) -> None:
    assert all(len(long_names._stored_key(key)) <= 64 for key in keys)
    long_names.add({key: f"value of {key}" for key in keys})
    assert long_names.read(keys) == {key: f"value of {key}" for key in keys}


def test_machines_that_see_files_at_once_agree_on_their_creation(tmp_path: Path) -> None:
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    (project / "sources").mkdir(parents=True)
    for slug in SLUGS:
        (project / "sources" / f"{slug}.yaml").write_text(yaml.safe_dump(active_body()))
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        # Makes the database, which two processes cannot do at once.
        assert InstanceKeyValues(instance, "pipedrive").read(SLUGS) == {}
    together = Barrier(2)

    def load(second: int) -> list[datetime]:
        with dg.DagsterInstance.local_temp(str(home)) as instance:
            store = store_of(project, instance)
            store._clock = lambda: datetime(2026, 11, 1, 0, 0, second, tzinfo=UTC)
            together.wait(timeout=60)
            return [source.created_at for source in store.load().sources]

    with ThreadPoolExecutor(2) as machines:
        one, other = machines.map(load, [1, 2])
    assert len(one) == len(SLUGS)
    assert one == other


def test_a_key_that_somebody_adds_at_the_same_moment_keeps_its_value(instance: dg.DagsterInstance) -> None:
    ours, theirs = InstanceKeyValues(instance, "pipedrive"), InstanceKeyValues(instance, "pipedrive")

    class Overtaken(InstanceKeyValues):
        """Looks, and finds when it writes that another process has written meanwhile."""

        def read(self, keys: Collection[str]) -> dict[str, str]:
            found = ours.read(keys)
            theirs.add({"b": "theirs"})
            return found

    Overtaken(instance, "pipedrive").add({"a": "ours", "b": "ours", "c": "ours"})
    assert ours.read(["a", "b", "c"]) == {"a": "ours", "b": "theirs", "c": "ours"}


def test_two_accounts_with_the_same_files_remember_each_their_own(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "deals.yaml").write_text(yaml.safe_dump(active_body()))
    stores = [store_of(tmp_path, instance, DagsterNames(prefix)) for prefix in ("pipedrive", "acme")]
    stores[0]._clock = lambda: datetime(2026, 1, 1, tzinfo=UTC)
    stores[1]._clock = lambda: datetime(2026, 2, 1, tzinfo=UTC)
    assert [store.load().sources[0].created_at.month for store in stores] == [1, 2]
    (source,) = stores[0].load().sources
    stores[0].holds.place(source.id, Hold(9, 1))
    assert [len(store.holds.read([source.id])) for store in stores] == [1, 0]


def test_a_thousand_sources_are_remembered_in_one_query(instance: dg.DagsterInstance) -> None:
    store = InstanceKeyValues(instance, "pipedrive")
    values = {f"first_seen/{uuid4()}": str(number) for number in range(1000)}
    store.add(values)
    assert store.read(values) == values
