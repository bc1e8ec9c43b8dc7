from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dagster._core.definitions.partitions.context import partition_loading_context
from hypothesis import given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.importing import windows_until
from pipedrive_orchestration.orchestration.partitions import partitions_of
from pipedrive_orchestration_tests.orchestration.conftest import source

INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2032, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@settings(max_examples=80, deadline=None)
@given(
    created=INSTANTS,
    age=st.timedeltas(timedelta(0), timedelta(days=300)),
    cadence=st.sampled_from(["daily", "weekly", "monthly"]),
    start=st.none() | st.sampled_from(["2019-02", "2019-12"]),
)
def test_partitions_are_the_windows(
    created: datetime, age: timedelta, cadence: str, start: str | None
) -> None:
    configured = source(created_at=created, options={"partitions": cadence, "partitions_start": start})
    grid = partitions_of(configured)
    assert grid is not None
    now = created + age
    windows = windows_until(configured, now)
    with partition_loading_context(effective_dt=now):
        assert grid.get_partition_keys() == [window.key for window in windows]
        first, last = (grid.time_window_for_partition_key(window.key) for window in (windows[0], windows[-1]))
    assert windows[0].start is None
    assert (first.end, last.end) == (windows[0].end, windows[-1].end)
    assert last.start <= now < last.end


def test_a_source_of_this_month_reaches_back_24_months() -> None:
    grid = partitions_of(source())
    assert grid is not None
    with partition_loading_context(effective_dt=datetime(2026, 12, 1, tzinfo=UTC)):
        keys = grid.get_partition_keys()
    assert (keys[0], keys[-1], len(keys)) == ("2024-10-01", "2026-12-01", 27)


def test_a_snapshot_has_no_partitions() -> None:
    assert partitions_of(source(object_type="stages")) is None
