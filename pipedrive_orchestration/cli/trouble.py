"""The demo with trouble: imports of an account that answers oddly, one oddity after the other.

Everything is real: an account that answers over HTTP, imports as a schedule makes them, and after each a
comparison of the table with one that a new import of the account makes. Only the account's clock is moved.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipedrive_orchestration.demo import DemoServer, Rule, Settings, odd, running_demo
from pipedrive_orchestration.demo.working_day import work
from pipedrive_orchestration.importing import (
    ImportEvent,
    ImportReport,
    Listener,
    Pull,
    WindowReport,
    import_source,
    windows_until,
)
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.pipedrive.errors import PipedriveError
from pipedrive_orchestration.sources import Source, SourceBody
from pipedrive_orchestration.warehouse import Warehouse, quoted

SCALE = 0.05
"""The size of the account: some hundred records of each kind."""

BETWEEN_TICKS = timedelta(minutes=15)

SENTENCE = 150
"""The length at which a note is cut."""

_DETAILS = ("field ", "option ", "property ", "column ", "reads ")
"""How notes begin that are too many to be shown, or are shown in another way."""

_OPEN = {"conditions": [{"variable": "status", "condition": "equals", "values": ["open"]}]}


class _Killed(Exception):
    """The end of an import in its middle, as if its process had been killed."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One oddity.

    Attributes:
        met: what is odd, for a reader.
        object_type: what is imported meanwhile.
        rules: how the account answers.
        pull: how it is imported; a window pull is one from the launchpad.
        filters: those of a launchpad run that deviates from the source.
        is_killed: whether the import ends after its first commit.
        vanishes: whether a record goes before it without a trace.
        later: the time that passes before it.
    """

    met: str
    object_type: str
    rules: tuple[Rule, ...] = ()
    pull: Pull = Pull.CHANGES
    filters: Mapping[str, Any] | None = None
    is_killed: bool = False
    vanishes: bool = False
    later: timedelta = BETWEEN_TICKS


EPISODES = (
    Episode("data: null in place of deals, twice", "deals", (odd("null-data", path="*/deals", times=2),)),
    Episode("a sign-in page, once", "deals", (odd("html", path="*/deals", times=1),)),
    Episode(
        "429 without a word of the day, and Retry-After",
        "persons",
        (odd("429-with-room", times=1), odd("429-retry-after", path="*/recents", times=1)),
    ),
    Episode("no limit headers, no Date", "persons", (odd("no-limit-headers"), odd("no-date"))),
    Episode("v1 paging facts in another place, or none", "leads", (odd("flat-paging-facts"),)),
    Episode("deletions without their record", "persons", (odd("unexplained-recents"),)),
    Episode("deletions without even an id", "persons", (odd("nameless-recents"),)),
    Episode("no scope for the feed of deletions", "persons", (odd("no-scope-of-recents"),)),
    Episode("fields that no schema allows", "persons", (odd("odd-fields"),)),
    Episode("ids as text, numbers that no DOUBLE holds", "deals", (odd("text-ids"), odd("long-numbers"))),
    Episode("a field list without custom fields, once", "persons", (odd("no-custom-fields", times=1),)),
    Episode("custom fields of other types, for one import", "deals", (odd("other-field-types"),)),
    Episode("a launchpad run under another filter", "deals", pull=Pull.WINDOW, filters=_OPEN),
    Episode("the importing process is killed", "deals", pull=Pull.WINDOW, is_killed=True),
    Episode("a person gone without a trace", "persons", vanishes=True),
    Episode("a third of the records left out of every list", "persons", (odd("left-out-records"),)),
    Episode("a week later, all answers right", "persons", later=timedelta(days=7, hours=1)),
    Episode("a week later, all answers right", "deals", later=timedelta()),
    Episode("a week later, all answers right", "leads", later=timedelta()),
)
"""What happens, in this order."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an episode.

    Attributes:
        answers: answers that were odd.
        did: what the import did, a sentence each.
        wrong: records that the table did not have as the account does, right after the import.
        wrong_later: the same after the schedule's next tick.
    """

    answers: int
    did: tuple[str, ...]
    wrong: int
    wrong_later: int


def show_trouble(console: Console, episodes: Sequence[Episode] = EPISODES) -> bool:
    """Live through some episodes and show what became of each.

    Args:
        console: where.
        episodes: in this order.

    Returns:
        Whether all tables equal the account in the end.
    """
    table = Table(title="What was met, and what came of it", title_justify="left", show_lines=True)
    table.add_column("met")
    table.add_column("source")
    table.add_column("odd answers", justify="right")
    table.add_column("what the import did", ratio=1)
    table.add_column("records wrong after it", justify="right")
    table.add_column("a tick later", justify="right")
    object_types = dict.fromkeys(episode.object_type for episode in episodes)
    with _account_and_tables(object_types) as trouble, console.status("") as status:
        for episode in episodes:
            status.update(f"{episode.object_type}: {episode.met}")
            result = trouble.live_through(episode)
            did = Text("\n".join(result.did))
            counts = (str(result.wrong), str(result.wrong_later))
            table.add_row(episode.met, episode.object_type, str(result.answers), did, *counts)
        wrong = trouble.wrong_tables()
    console.print(table)
    if wrong:
        console.print(f"Not as in the account: {', '.join(wrong)}. Please report this.")
    else:
        console.print(
            "In the end every table equals the account, cell by cell. Nothing was mended by hand: the next "
            "ticks of the schedule read again whatever was in doubt."
        )
    return not wrong


class _Trouble:
    """An account, and the tables of some object types that are imported from it."""

    def __init__(self, demo: DemoServer, folder: Path, object_types: Iterable[str]) -> None:
        self._demo = demo
        self._folder = folder
        self._warehouse = Warehouse(str(folder / "warehouse.duckdb"))
        self._sources = {name: _source(demo, name) for name in object_types}
        for source in self._sources.values():
            self._import(source, Pull.WINDOW)

    def live_through(self, episode: Episode) -> Result:
        """Let users work for a day, the account answer oddly, and after that the schedule tick once."""
        source, account = self._sources[episode.object_type], self._demo.account
        work(self._demo.url, self._demo.token, seed=len(account.requests))
        if episode.vanishes:
            with account.lock:
                account[episode.object_type].remove(_newest(account.records(episode.object_type)))
        account.clock.advance(episode.later)
        before = self._demo.odd.given.total()
        self._demo.odd.follow(*episode.rules)
        did = tuple(self._sentences(episode))
        answers = self._demo.odd.given.total() - before
        self._demo.odd.follow()
        wrong = self._wrong(source)
        account.clock.advance(BETWEEN_TICKS)
        tick = self._import(source, Pull.CHANGES)
        if tick.reconciled:
            did = (*did, f"next tick: {_doubt(tick)}")
        later = self._wrong(source) if wrong or tick.rows.changed else 0
        return Result(answers, did, wrong, later)

    def wrong_tables(self) -> list[str]:
        """The tables that are not as in the account, after a last tick of each."""
        for source in self._sources.values():
            self._import(source, Pull.CHANGES)
        return [name for name, source in self._sources.items() if self._wrong(source)]

    def _sentences(self, episode: Episode) -> Iterator[str]:
        source = self._sources[episode.object_type]
        if episode.filters is not None:
            body = {**source.body, "filters": episode.filters}
            source = source.model_copy(update={"filters": SourceBody.parse(body).filters})
        try:
            report = self._import(source, episode.pull, _kill if episode.is_killed else _silent)
        except _Killed:
            yield "was killed after its first commit"
            return
        except PipedriveError as error:
            yield f"ended with: {error}"
            return
        yield f"{report.rows.changed} rows changed, {report.requests} requests, {report.seconds:.1f} s"
        if report.quarantined:
            yield f"{report.quarantined} values set aside"
        said = [note for note in report.notes if not note.startswith(_DETAILS)]
        yield from map(_shortened, said[:1])
        if len(said) > 1:
            yield f"and {len(said) - 1} more notes like it"
        if report.reconciled:
            yield _doubt(report)

    def _import(
        self, source: Source, pull: Pull, listener: Listener | None = None, warehouse: Warehouse | None = None
    ) -> ImportReport:
        now = self._demo.account.clock.exactly_now
        return import_source(
            source,
            connection=Connection.of(self._demo.url, self._demo.token),
            warehouse=warehouse or self._warehouse,
            staging=self._folder / "staging",
            pull=pull,
            windows=windows_until(source, now()) if pull is Pull.WINDOW else (),
            listener=listener or _silent,
            clock=now,
        )

    def _wrong(self, source: Source) -> int:
        """Records of the table that differ from what a new import of the account brings, in whatever."""
        with tempfile.TemporaryDirectory() as folder:
            fresh = Warehouse(str(Path(folder) / "fresh.duckdb"))
            self._import(source, Pull.WINDOW, warehouse=fresh)
            mine, theirs = _records(self._warehouse, source), _records(fresh, source)
        return sum(mine.get(one) != theirs.get(one) for one in mine.keys() | theirs.keys())


def _source(demo: DemoServer, object_type: str) -> Source:
    """A source of all properties, custom ones too, that ticks every quarter of an hour."""
    built_in = [prop.key for prop in BUILT_IN[object_type].properties if not prop.optional]
    fields = demo.account.fields["deals" if object_type == "leads" else object_type]
    custom = [one["field_code"] for one in fields if one["is_custom_field"]]
    return Source(
        slug=object_type,
        name=object_type,
        object_type=object_type,
        id=uuid.uuid4(),
        created_at=demo.account.clock.now(),
        properties=(*built_in, *custom),
        pull_mode="active",
        schedule="*/15 * * * *",
    )


def _records(warehouse: Warehouse, source: Source) -> dict[str, str]:
    """The current rows, each as one text, by id."""
    columns = ", ".join(quoted(key) for key in (*source.properties, "_update_time"))
    with warehouse.reading() as connection:
        rows = connection.execute(
            f"SELECT _id::VARCHAR, row({columns})::VARCHAR FROM pipedrive.{quoted(source.slug)} "
            "WHERE _is_current"
        ).fetchall()
    return dict(rows)


def _newest(records: list[dict[str, Any]]) -> int:
    ids: list[int] = [one["id"] for one in records if not one["is_deleted"]]
    return max(ids)


def _kill(event: ImportEvent) -> None:
    if isinstance(event, WindowReport):
        raise _Killed


def _silent(_event: ImportEvent) -> None:
    pass


def _doubt(report: ImportReport) -> str:
    reasons = {note.split(": ", 1)[1]: None for note in report.notes if note.startswith("reads ")}
    return f"reads {len(report.reconciled)} windows again: {_shortened(', or '.join(reasons))}"


def _shortened(note: str) -> str:
    return note if len(note) <= SENTENCE else f"{note[:SENTENCE].rsplit(' ', 1)[0]} ..."


@contextmanager
def _account_and_tables(object_types: Iterable[str]) -> Iterator[_Trouble]:
    with running_demo(Settings(scale=SCALE, burst=0)) as demo, tempfile.TemporaryDirectory() as folder:
        yield _Trouble(demo, Path(folder), object_types)
