"""Tokens per day of an account of a given size, from imports of an account of a hundredth of that size.

Pages and look-ups are a hundredth as long, too, so that every list takes as many requests as it would in
earnest, except the lists of fields, which are counted as the one request that they take. Only some of the
ticks are made, each after as many changes as there are in a quarter of an hour.
``python -m benchmarks.tokens`` takes some minutes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from pipedrive_orchestration.demo import DemoServer, LoggedRequest, Settings, running_demo
from pipedrive_orchestration.importing import ImportReport, Pull, import_source, windows_until
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse

SIZES = {
    "deals": 50_000,
    "persons": 100_000,
    "organizations": 30_000,
    "activities": 200_000,
    "leads": 10_000,
}
SMALLER = 100
"""The account has a hundredth of the records, and a hundredth of them fit on a page or into a look-up."""

ARCHIVED = 0.1
"""Archived deals and leads, as a share of the others."""

CHANGED_A_DAY = 0.01
"""The share of the records that users change in a day."""

TICKS_A_DAY = 24 * 4
DAYS = 8
"""A week, after which every window was read again once, and a day."""


@dataclass
class Spent:
    """Requests and tokens of one object type."""

    first: tuple[int, int] = (0, 0)
    ticks: list[tuple[int, int]] = field(default_factory=list)
    read_again: list[tuple[int, int]] = field(default_factory=list)


def scale_down() -> None:
    """Make pages and look-ups of every module a hundredth as long."""
    for name, module in list(sys.modules.items()):
        if name.startswith("pipedrive_orchestration."):
            for limit in ("MAX_PAGE_SIZE", "MAX_IDS_PER_REQUEST"):
                if hasattr(module, limit):
                    setattr(module, limit, getattr(module, limit) // SMALLER)


def resize(demo: DemoServer, name: str, count: int, *, archived: bool = False) -> None:
    """Take records out of a collection, or repeat some of them, until it has so many that are listed."""
    account, rng = demo.account, Random(1)
    with account.lock:
        found = [one for one in account[name] if bool(one.get("is_archived")) is archived]
        listed = [one for one in found if not one.get("is_deleted")]
        for record in listed[count:]:
            account[name].remove(record["id"])
        for _ in range(count - len(listed)):
            account[name].put(rng.choice(listed) | {"id": account.new_id(name)})


def change(demo: DemoServer, name: str, count: int, rng: Random) -> None:
    """Let users change some records."""
    account = demo.account
    with account.lock:
        live = [one for one in account[name] if not one.get("is_archived") and not one.get("is_deleted")]
        for record in rng.sample(live, min(count, len(live))):
            account.save(name, record)


def source_of(demo: DemoServer, name: str) -> Source:
    """A source of the built-in properties, at ``*/15`` and with the usual ``reconcile``."""
    return Source(
        slug=name,
        name=name,
        object_type=name,
        id=uuid.uuid4(),
        created_at=demo.account.clock.now(),
        properties=tuple(prop.key for prop in BUILT_IN[name].properties if not (prop.optional or prop.alone)),
        pull_mode="active",
        schedule="*/15 * * * *",
    )


def simulate(demo: DemoServer, folder: Path, step: timedelta) -> dict[str, Spent]:
    """First imports and a week of ticks, one in each step."""
    warehouse, clock, rng = Warehouse(str(folder / "warehouse.duckdb")), demo.account.clock, Random(2)
    spent: defaultdict[str, Spent] = defaultdict(Spent)

    def pull(source: Source, how: Pull) -> tuple[ImportReport, tuple[int, int]]:
        before = len(demo.account.requests)
        report = import_source(
            source,
            connection=Connection.of(demo.url, demo.token),
            warehouse=warehouse,
            staging=folder / "staging",
            pull=how,
            windows=windows_until(source, clock.now()) if how is Pull.WINDOW else (),
            clock=clock.exactly_now,
        )
        return report, bill_of(demo.account.requests[before:])

    for name, size in SIZES.items():
        resize(demo, name, size // SMALLER)
        if BUILT_IN[name].archived_path:
            resize(demo, name, int(size * ARCHIVED) // SMALLER, archived=True)
    sources = [source_of(demo, name) for name in SIZES]
    for source in sources:
        _, spent[source.slug].first = pull(source, Pull.WINDOW)
    steps = int(timedelta(days=DAYS) / step)
    left: defaultdict[str, float] = defaultdict(float)
    for _ in range(steps):
        clock.advance(step)
        for source in sources:
            name = source.slug
            left[name] += SIZES[name] / SMALLER * CHANGED_A_DAY / TICKS_A_DAY
            change(demo, name, int(left[name]), rng)
            left[name] -= int(left[name])
            report, bill = pull(source, Pull.CHANGES)
            (spent[name].read_again if report.reconciled else spent[name].ticks).append(bill)
    return spent


def bill_of(requests: Sequence[LoggedRequest]) -> tuple[int, int]:
    """Requests and tokens; the pages of a list of fields count as one."""
    fields = [one.tokens for one in requests if one.path.endswith("Fields")]
    others = [one.tokens for one in requests if not one.path.endswith("Fields")]
    return len(others) + bool(fields), sum(others) + max(fields, default=0)


def lines(spent: dict[str, Spent]) -> Iterator[str]:
    """The table, in Markdown."""
    yield "| object type | records | first import | a tick | ticks a day | read again a day | tokens a day |"
    yield "|---|---|---|---|---|---|---|"
    total = 0.0
    for name, one in spent.items():
        requests, tokens = (sum(part) / len(one.ticks) for part in zip(*one.ticks, strict=True))
        ticks = tokens * TICKS_A_DAY
        again = sum(bill[1] - tokens for bill in one.read_again) / DAYS
        total += ticks + again
        yield (
            f"| {name} | {SIZES[name]:,} | {one.first[1]:,} | {tokens:.0f} in {requests:.1f} requests "
            f"| {ticks:,.0f} | {again:,.0f} | {ticks + again:,.0f} |"
        )
    yield f"| all | | {sum(one.first[1] for one in spent.values()):,} | | | | {total:,.0f} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", type=int, default=240, help="minutes between the ticks that are made")
    parser.add_argument(
        "--budget", type=int, default=30_000, help="tokens a day, as Pipedrive gives at least"
    )
    chosen = parser.parse_args()
    scale_down()
    settings = Settings(
        scale=0.4,
        burst=0,
        born=datetime(2026, 5, 20, 10, tzinfo=UTC),
        clock_rate=0,
        daily_tokens=chosen.budget,
    )
    with running_demo(settings) as demo, tempfile.TemporaryDirectory() as folder:
        for line in lines(simulate(demo, Path(folder), timedelta(minutes=chosen.step))):
            print(line)


if __name__ == "__main__":
    main()
