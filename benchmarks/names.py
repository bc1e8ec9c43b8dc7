"""Tokens for names: persons with the names of their organizations and owners, first and in a tick.

The account has a hundredth of 100,000 persons of 30,000 organizations, and pages and look-ups are a hundredth
as long; see `benchmarks.tokens`. ``python -m benchmarks.names`` takes a minute.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.tokens import SIZES, SMALLER, bill_of, resize, scale_down, source_of
from pipedrive_orchestration.demo import DemoServer, Settings, running_demo
from pipedrive_orchestration.importing import Pull, import_source, windows_until
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse

PROPERTIES = {
    "neither ids nor names": ("name", "emails"),
    "`org_id`, `owner_id`": ("name", "emails", "org_id", "owner_id"),
    "`org_name`": ("name", "emails", "org_name"),
    "`org_name`, `owner_name`": ("name", "emails", "org_name", "owner_name"),
}

Bill = tuple[int, int]


class Account:
    """A demo account, and a warehouse of its own for every case."""

    def __init__(self, demo: DemoServer, folder: Path) -> None:
        self._demo = demo
        self._folder = folder

    def pull(self, source: Source, how: Pull, warehouse: str) -> Bill:
        """Requests and tokens of one pull."""
        clock, before = self._demo.account.clock, len(self._demo.account.requests)
        import_source(
            source,
            connection=Connection.of(self._demo.url, self._demo.token),
            warehouse=Warehouse(str(self._folder / f"{warehouse}.duckdb")),
            staging=self._folder / "staging",
            pull=how,
            windows=windows_until(source, clock.now()) if how is Pull.WINDOW else (),
            clock=clock.exactly_now,
        )
        clock.advance(timedelta(minutes=1))
        return bill_of(self._demo.account.requests[before:])

    def fill(self) -> None:
        """Give the account its records, and every organization some of the persons."""
        for name in ("organizations", "persons"):
            resize(self._demo, name, SIZES[name] // SMALLER)
        account = self._demo.account
        with account.lock:
            organizations = [one["id"] for one in account["organizations"] if not one["is_deleted"]]
            persons = [one for one in account["persons"] if not one["is_deleted"]]
            for number, person in enumerate(persons):
                account["persons"].put(person | {"org_id": organizations[number % len(organizations)]})

    def source(self, name: str, properties: tuple[str, ...]) -> Source:
        """A source that nothing is read again for."""
        source = source_of(self._demo, name)
        options = source.options.model_copy(update={"reconcile": "never"})
        return source.model_copy(update={"properties": properties, "options": options})


def lines(account: Account) -> Iterator[str]:
    """The table, in Markdown."""
    yield "| 100,000 persons of 30,000 organizations, with | first import | the next tick |"
    yield "|---|---|---|"
    for case, (what, properties) in enumerate(PROPERTIES.items()):
        source = account.source("persons", properties)
        yield _line(what, account, source, str(case))
    organizations = account.source("organizations", ("name",))
    for how in Pull:
        account.pull(organizations, how, "beside")
    source = account.source("persons", PROPERTIES["`org_name`, `owner_name`"])
    yield _line("the same, beside a source of all organizations", account, source, "beside")


def _line(what: str, account: Account, source: Source, warehouse: str) -> str:
    first, tick = (account.pull(source, how, warehouse) for how in (Pull.WINDOW, Pull.CHANGES))
    return (
        f"| {what} | {first[1]:,} tokens in {first[0]:,} requests | {tick[1]} tokens in {tick[0]} requests |"
    )


def main() -> None:
    """Print the table."""
    scale_down()
    born = datetime(2026, 5, 20, 10, tzinfo=UTC)
    settings = Settings(scale=0.4, burst=0, born=born, clock_rate=0, daily_tokens=10_000_000)
    with running_demo(settings) as demo, tempfile.TemporaryDirectory() as folder:
        account = Account(demo, Path(folder))
        account.fill()
        for line in lines(account):
            print(line, flush=True)


if __name__ == "__main__":
    main()
