"""A year by days: an installation works through it, and is at its end as large and as quick as after months.

``CHAOS_YEAR_DAYS`` sets how many days of a year that begins in June 2027, with the 29th of February in it;
``CHAOS_YEAR_TICKS`` how many schedules tick on an ordinary day, and ``CHAOS_YEAR_SENSORS`` the days between
two looks of sensors. On days on which something happens all of them are looked at, some several times.
``CHAOS_YEAR_FIGURES`` names a file that takes what was measured on the first of each month, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, time, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import duckdb
import yaml

from pipedrive_orchestration.demo import ApiError, DemoServer, Rule, odd, running_demo
from pipedrive_orchestration.demo.responses import answer
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.sources import InMemoryKeyValues, Source, SourceStore
from pipedrive_orchestration.webhooks.subscriptions import register
from pipedrive_orchestration_tests.chaos.figures import FIGURES
from pipedrive_orchestration_tests.chaos.obeying import obeying
from pipedrive_orchestration_tests.chaos.sizes import SEED, in_full, size
from pipedrive_orchestration_tests.conftest import account_settings
from pipedrive_orchestration_tests.exactness import truth
from pipedrive_orchestration_tests.exactness.churn import Churn

FIRST = date(2027, 6, 1)
DAYS = size("CHAOS_YEAR_DAYS", 366)
TICKS_A_DAY = size("CHAOS_YEAR_TICKS", 3)
FILE_OF_FIGURES = os.environ.get("CHAOS_YEAR_FIGURES")
SENSORS_EVERY = size("CHAOS_YEAR_SENSORS", 1)
LAST = FIRST + timedelta(days=DAYS - 1)

TYPES = (
    "deals", "persons", "organizations", "activities", "products", "leads", "notes", "pipelines", "stages",
    "users",
)  # fmt: skip

NEW_YORK, EUROPE = (date(2027, 11, 7), date(2028, 3, 12)), (date(2027, 10, 31), date(2028, 3, 26))
"""When clocks change there."""

OUTAGE = (date(2027, 7, 12), date(2027, 7, 14))
ABSENCE = (date(2027, 8, 1), date(2027, 8, 14))
"""The machine is off; after it, the account is reached through an app, and webhooks are received."""

ODD_TYPES = date(2027, 9, 20)
FIELD_COMES, FIELD_GOES = date(2027, 10, 5), date(2028, 1, 20)
SETTLED = date(2027, 12, 1)

WRITES_A_DAY = 6
EDIT_EVERY = 7

_DAYS_THAT_COUNT = {
    FIRST, *OUTAGE, OUTAGE[1] + timedelta(days=1), ABSENCE[1] + timedelta(days=1), ODD_TYPES,
    ODD_TYPES + timedelta(days=1), FIELD_COMES, FIELD_GOES, date(2028, 2, 28), date(2028, 2, 29), LAST,
}  # fmt: skip

MAY_GROW = (
    "pipedrive.",
    "pipedrive_history.",
    "pipedrive_references.",
    "workflows.",
    "import_ledger.imports",
)
"""What holds the account, its past, and every import that there was."""

A_LITTLE = 100
MEMORY = 200_000_000
"""Bytes by which memory may grow; of an old code location, which is a process of its own, some stays here."""

UNREACHABLE = Rule("unreachable", answer(b"upstream is gone", 503))

WEBHOOKS = "pipedrive"

WORKFLOW = """
name: Greetings
inputs: [{name: name, type: string}]
syncs: [{source: persons, field_mapping: {input.name: name}, run: all, on_update: update}]
actions: [{type: sql, name: greet, expression: "'Hello ' || name", output: {name: greeting}}]
auto_run: true
"""


class Year:
    """The account, the project folder and the installation that works on them."""

    def __init__(self, demo: DemoServer, folder: Path, alerts: int) -> None:
        self.demo = demo
        self.folder = folder
        self.churn = Churn(demo, SEED, TYPES[:7])
        self.costs: dict[date, dict[str, float]] = {}
        self._alerts = alerts
        self._field: str | None = None
        (folder / "project" / "sources").mkdir(parents=True)
        (folder / "project" / "workflows").mkdir()
        (folder / "project" / "workflows" / "greetings.yaml").write_text(WORKFLOW)
        settings = yaml.safe_load((Path(__file__).parents[2] / "dagster.yaml").read_text("utf-8"))
        settings["run_launcher"] = {
            "module": "dagster._core.launcher.sync_in_memory_run_launcher",
            "class": "SyncInMemoryRunLauncher",
        }
        (folder / "dagster.yaml").write_text(yaml.safe_dump(settings))
        for name in TYPES:
            self.write_source(name)

    def write_source(self, name: str, *more: str, title: str = "") -> None:
        properties = [*truth.told(truth.kinds_of(self.demo.account, name), name)][:16]
        body: dict[str, Any] = {
            "name": title or name,
            "object_type": name,
            "properties": list(dict.fromkeys([*properties, *more])),
            "pull_mode": "active",
            "schedule": "*/15 * * * *",
        }
        if name == "deals":
            body["options"] = {"history": True}
        (self.folder / "project" / "sources" / f"{name}.yaml").write_text(yaml.safe_dump(body))

    @contextmanager
    def living(self, at: datetime, **variables: str) -> Iterator[Installation]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        lines = {
            "PIPEDRIVE_API_URL": self.demo.url,
            "PIPEDRIVE_REPORT_ZONE": "America/New_York",
            "PIPEDRIVE_ALERTS": f"json://127.0.0.1:{self._alerts}",
            **variables,
        }
        (self.folder / ".env").write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        module = "pipedrive_orchestration_tests.chaos.installation"
        with obeying(module, str(self.folder), str(port)) as process:
            yield Installation(self, process, port, at)

    def a_day(self, installation: Installation, day: date) -> None:
        self.demo.odd.follow(*_odd_on(day))
        if day.toordinal() % EDIT_EVERY == 0:
            self.write_source("products", title=f"Products, as of {day}")
            installation.do("reload", day, time(5))
        if day == FIELD_COMES:
            made = self.demo.write(
                "POST", "/api/v2/dealFields", {"field_name": "Mood", "field_type": "varchar"}
            )
            self._field = made["field_code"]
            self.write_source("deals", made["field_code"])
            installation.do("reload", day, time(5, 30))
        if day == FIELD_GOES:
            self.demo.write("DELETE", f"/api/v2/dealFields/{self._field}")
        costs: dict[str, float] = {}
        moments = _moments(day)
        for moment in moments:
            self.tell_time(datetime.combine(day, moment, UTC))
            for _ in range(WRITES_A_DAY):
                # Records that were deleted a month ago are gone, which not every write foresees.
                with suppress(ApiError):
                    self.churn.step()
            self.tell_time(datetime.combine(day, moment, UTC) + timedelta(minutes=2))
            is_special = len(moments) > 1 or day.day == 1 or day in _DAYS_THAT_COUNT
            how = {
                "schedules": len(TYPES) if is_special else TICKS_A_DAY,
                "sensors": is_special or day.toordinal() % SENSORS_EVERY == 0,
            }
            for what, cost in installation.do("ticks", day, moment, minutes=2, **how).items():
                costs[what] = costs.get(what, 0) + cost
        self.costs[day] = costs

    def receive_webhooks(self, installation: Installation) -> None:
        settings = Settings.from_variables(
            {"PIPEDRIVE_WEBHOOK_USER": WEBHOOKS, "PIPEDRIVE_WEBHOOK_PASSWORD": WEBHOOKS}
        )
        connection = Connection.of(self.demo.url, self.demo.token)
        asyncio.run(register(connection, settings, self.sources(), installation.webhooks))

    def sources(self) -> Sequence[Source]:
        return SourceStore(self.folder / "project", InMemoryKeyValues()).load().sources

    def tell_time(self, instant: datetime) -> None:
        clock = self.demo.account.clock
        clock.advance(instant - clock.exactly_now())


class Installation:
    """Orders to the process that is the installation."""

    def __init__(self, year: Year, process: subprocess.Popen[str], port: int, at: datetime) -> None:
        self._process = process
        self._year = year
        self.webhooks = f"http://127.0.0.1:{port}/webhooks/pipedrive"
        self._order({"at": at.isoformat()})

    def do(self, what: str, day: date, moment: time, minutes: float = 0, **how: Any) -> Any:
        at = datetime.combine(day, moment, UTC) + timedelta(minutes=minutes)
        self._year.tell_time(at)
        return self._order({"do": what, "how": how, "at": at.isoformat()})

    def _order(self, order: Mapping[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def _moments(day: date) -> list[time]:
    """When ticks are looked at on a day."""
    if day in NEW_YORK:
        return [time(5, 59), time(6, 1), time(7, 1)]
    if day in EUROPE:
        return [time(0, 59), time(1, 1)]
    if day.day == 1:
        return [time(0, 1)]
    return [time(6 + day.toordinal() % 12, 7)]


def _odd_on(day: date) -> list[Rule]:
    if OUTAGE[0] <= day <= OUTAGE[1]:
        return [UNREACHABLE]
    return [odd("other-field-types")] if day == ODD_TYPES else []


@contextmanager
def _alerts() -> Iterator[tuple[int, list[str]]]:
    """A server that alerts are sent to, and what it was told."""
    told: list[str] = []

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["content-length"])))["title"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Takes) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port, told
        server.shutdown()
        thread.join()


def _days(first: date, last: date) -> Iterator[date]:
    while first <= min(last, LAST):
        yield first
        first += timedelta(days=1)


@in_full
def test_after_a_year_an_installation_is_as_large_and_quick_as_after_months(tmp_path: Path) -> None:
    born = datetime.combine(FIRST, time(0), UTC)
    choices = account_settings(scale=0.01, born=born, webhook_pace=10_000)
    seen: dict[date, Any] = {}
    with running_demo(choices) as demo, _alerts() as (port, told):
        year = Year(demo, tmp_path, port)
        with year.living(born, PIPEDRIVE_API_TOKEN=demo.token) as installation:
            for day in _days(FIRST, ABSENCE[0] - timedelta(days=1)):
                year.a_day(installation, day)
                _note(installation, day, seen, year)
        if ABSENCE[1] < LAST:
            again = ABSENCE[1] + timedelta(days=1)
            app = {
                "PIPEDRIVE_OAUTH_CLIENT_ID": demo.oauth.client_id,
                "PIPEDRIVE_OAUTH_CLIENT_SECRET": demo.oauth.client_secret,
                "PIPEDRIVE_OAUTH_REFRESH_TOKEN": demo.oauth.refresh_token,
                "PIPEDRIVE_OAUTH_URL": demo.url,
                "PIPEDRIVE_WEBHOOK_USER": WEBHOOKS,
                "PIPEDRIVE_WEBHOOK_PASSWORD": WEBHOOKS,
            }
            with year.living(datetime.combine(again, time(0), UTC), **app) as installation:
                year.receive_webhooks(installation)
                for day in _days(again, LAST):
                    year.a_day(installation, day)
                    _note(installation, day, seen, year)
        wrong = [one for source in year.sources() for one in _differences(tmp_path, year, source)]
    FIGURES["days of a year"] += DAYS
    assert [one for one in wrong if not one.endswith("_removal is merged, should be deleted")] == []
    if OUTAGE[1] < LAST:
        assert told, "nobody was told of the outage"
    early, late = seen.get(SETTLED), seen[LAST]
    if early is not None and LAST > SETTLED:
        assert _grown(early["rows"], late["rows"]) == {}
        assert late["resident"] < early["resident"] + MEMORY


def _note(installation: Installation, day: date, seen: dict[date, Any], year: Year) -> None:
    """Measure on the first of a month, and at the end."""
    if day.day == 1 or day == LAST:
        moment = _moments(day)[-1]
        seen[day] = installation.do("figures", day, moment, minutes=3)
        seen[day]["cpu"] |= year.costs[day]
        if FILE_OF_FIGURES:
            Path(FILE_OF_FIGURES).write_text(json.dumps({str(on): one for on, one in seen.items()}, indent=1))


def _grown(early: Mapping[str, int], late: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """What has more than half as much again, and not only a little."""
    return {
        name: (early.get(name, 0), size)
        for name, size in late.items()
        if not name.startswith(MAY_GROW) and size > 1.5 * early.get(name, 0) + A_LITTLE
    }


def _differences(folder: Path, year: Year, source: Source) -> list[str]:
    """How a table differs from the account, but for a field that the account has no more."""
    known = truth.kinds_of(year.demo.account, source.object_type)
    kept = tuple(key for key in source.properties if key in known)
    with duckdb.connect(str(folder / "data" / "warehouse.duckdb"), read_only=True) as connection:
        compared = source.model_copy(update={"properties": kept})
        return truth.differences(connection, year.demo.account, compared)
