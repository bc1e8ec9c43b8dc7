"""Alerts: once when something ceases to be well, once when it is well again, over restarts and deaf sinks."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from aiosmtpd.smtp import SMTP
from pydantic import SecretStr

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.importing import Pull, import_source
from pipedrive_orchestration.orchestration.context import ProjectContext
from pipedrive_orchestration.orchestration.sensors.alerts import build_alert_sensors
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.services.alerts import Look, Message, Sink, look, read_state
from pipedrive_orchestration.services.dagster_internals import InstanceKeyValues
from pipedrive_orchestration.services.overview import FailedRun, Overview, SourceOverview
from pipedrive_orchestration.services.status import SourceState, Status
from pipedrive_orchestration.services.troubles import Trouble, TroubleKind
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.sources import InMemoryKeyValues
from pipedrive_orchestration.warehouse.ledger import ImportEntry
from pipedrive_orchestration_tests.clocks import PRESENT, Ticks
from pipedrive_orchestration_tests.orchestration.conftest import source

SECRET = "s3cr3t-of-the-sink"
BODY = {
    "name": "Pipelines",
    "object_type": "pipelines",
    "properties": ["id", "name"],
    "pull_mode": "active",
    "schedule": "*/15 * * * *",
}


@dataclass
class Sinks:
    """A web server and a mail server on this machine."""

    web: str
    mail: str
    posts: list[dict[str, Any]] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)
    is_deaf: bool = False

    @property
    def addresses(self) -> str:
        return f"{self.web} {self.mail}"


@pytest.fixture
def sinks() -> Iterator[Sinks]:
    made = Sinks("", "")

    class Web(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not made.is_deaf:
                made.posts.append(json.loads(body))
            self.send_response(503 if made.is_deaf else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Mail:
        async def handle_DATA(  # noqa: N802 - the name that aiosmtpd calls
            self, server: Any, session: Any, envelope: Any
        ) -> str:
            made.mails.append(envelope.content.decode())
            return "250 OK"

    web = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True).start()
    loop = asyncio.new_event_loop()
    mail = loop.run_until_complete(loop.create_server(lambda: SMTP(Mail(), loop=loop), "127.0.0.1", 0))
    runner = threading.Thread(target=loop.run_forever, daemon=True)
    runner.start()
    port = mail.sockets[0].getsockname()[1]
    made.web = f"json://someone:{SECRET}@127.0.0.1:{web.server_port}/hook"
    made.mail = f"mailto://127.0.0.1:{port}?from=crm@example.com&to=me@example.com"
    yield made
    loop.call_soon_threadsafe(mail.close)
    loop.call_soon_threadsafe(loop.stop)
    runner.join()
    loop.close()
    web.shutdown()
    web.server_close()


def test_mail_and_web_hooks_are_told_once_of_a_late_source_and_once_of_its_end(
    sinks: Sinks, demo: DemoServer, tmp_path: Path, instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    folder = tmp_path / "project" / "sources"
    folder.mkdir(parents=True)
    (folder / "pipelines.yaml").write_text(yaml.safe_dump(BODY))
    project = ProjectContext(Settings(project=tmp_path / "project", alerts=SecretStr(sinks.addresses)))

    def bring(at: datetime) -> None:
        import_source(
            project.store(instance).load().find("pipelines"),
            connection=Connection.of(demo.url, demo.token),
            warehouse=resources["warehouse"].warehouse(),
            staging=tmp_path / "staging",
            pull=Pull.CHANGES,
            windows=(),
            clock=Ticks(lambda: at),
        )

    def tick(at: datetime) -> str:
        # A sensor that is made anew knows nothing but what is stored, as after a restart.
        (sensor,) = build_alert_sensors(project, clock=lambda: at)
        warehouse = {"warehouse": resources["warehouse"]}
        with dg.build_sensor_context(instance=instance, resources=warehouse) as context:
            return str(sensor.evaluate_tick(context).skip_message)

    bring(PRESENT)
    assert tick(PRESENT) == "0 incidents are open; 0 addresses were told."
    late = PRESENT + timedelta(hours=1)
    for minutes in range(9, 61, 9):
        tick(PRESENT + timedelta(minutes=minutes))
    (post,) = sinks.posts
    assert len(sinks.mails) == 1
    assert post["title"] == "Pipedrive: 1 not well"
    assert post["message"].startswith("- pipelines: Changes are loaded up to ")
    assert post["type"] == "warning"
    assert "Subject: Pipedrive: 1 not well" in sinks.mails[0]
    assert "pipedrive-orchestration import pipelines" in sinks.mails[0]

    (folder / "broken.yaml").write_text(f"name: [{SECRET}")
    sinks.is_deaf = True
    assert "address 1 (JSON) took no message and will be tried again" in tick(late)
    assert (len(sinks.posts), len(sinks.mails)) == (1, 2)
    assert tick(late + timedelta(seconds=30)) == "2 incidents are open; 0 addresses were told."
    sinks.is_deaf = False
    (folder / "broken.yaml").unlink()
    bring(late)
    tick(late + timedelta(minutes=2))
    # The one that was deaf never knew of the file, the other one knew of both.
    assert sinks.posts[1]["title"] == "Pipedrive: 1 well again"
    assert sinks.posts[1]["type"] == "success"
    assert "Subject: Pipedrive: 2 well again" in sinks.mails[2]
    tick(late + timedelta(minutes=3))
    assert (len(sinks.posts), len(sinks.mails)) == (2, 3)
    assert read_state(InstanceKeyValues(instance, project.names.prefix)).incidents == []
    assert SECRET not in json.dumps([sinks.posts, sinks.mails])


# --- What is an incident ----------------------------------------------------------------------------------


@dataclass
class Told:
    """A sink of this process, and what it was told, over several looks."""

    values: InMemoryKeyValues = field(default_factory=InMemoryKeyValues)
    titles: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)

    def look(self, at: datetime, *sources: SourceOverview, readable: bool = True) -> Look:
        def take(message: Message) -> bool:
            self.titles.append(message.title)
            self.bodies.append(message.body)
            return True

        overview = Overview(at, sources, ()) if readable else None
        sink = Sink("one", "address 1", take)
        return look(overview, self.values, [sink], at, page="http://127.0.0.1:3000")


WELL = SourceOverview(SourceState(source(), Status.ACTIVE), None, None, 0, (), (), (), 0, None, ())
FAILED = replace(
    WELL,
    failure=FailedRun("a run", PRESENT, "no"),
    troubles=(Trouble("all_deals", TroubleKind.FAILED, "jane@example.com", "Its last run failed."),),
)
LATE = replace(WELL, troubles=(Trouble("all_deals", TroubleKind.LATE, "late", "It is late."),))
MINUTE = timedelta(minutes=1)


def success_at(at: datetime) -> SourceOverview:
    entry = object.__new__(ImportEntry)
    object.__setattr__(entry, "finished_at", at)
    return replace(WELL, last_success=entry)


def test_a_failure_lasts_until_a_run_succeeds_and_not_only_until_the_next_begins() -> None:
    told = Told()
    told.look(PRESENT, FAILED)
    told.look(PRESENT + MINUTE, WELL)  # the next run has begun, and Dagster knows no failure of it
    told.look(PRESENT + 2 * MINUTE, FAILED)
    told.look(PRESENT + 3 * MINUTE, WELL)
    assert told.titles == ["Pipedrive: 1 not well"]
    assert "jane@example.com" not in told.bodies[0]
    told.look(PRESENT + 4 * MINUTE, success_at(PRESENT + 4 * MINUTE))
    assert told.titles == ["Pipedrive: 1 not well", "Pipedrive: 1 well again"]
    told.look(PRESENT + 5 * MINUTE, FAILED)
    assert told.titles[2:] == ["Pipedrive: 1 not well"]
    told.look(PRESENT + 6 * MINUTE)  # the source is deleted
    assert told.titles[3:] == ["Pipedrive: 1 well again"]


def test_who_was_not_there_for_a_night_hears_of_no_source_that_catches_up() -> None:
    told = Told()
    told.look(PRESENT, WELL)
    morning = PRESENT + timedelta(hours=9)
    told.look(morning, LATE)
    told.look(morning + 5 * MINUTE, WELL)
    assert told.titles == []
    told.look(morning + 14 * MINUTE, LATE)
    told.look(morning + 22 * MINUTE, LATE)
    assert told.titles == ["Pipedrive: 1 not well"]


def test_a_database_that_is_busy_is_no_incident_and_one_that_stays_unreadable_is() -> None:
    told = Told()
    told.look(PRESENT, readable=False)
    told.look(PRESENT + 8 * MINUTE, readable=False)
    assert told.titles == []
    told.look(PRESENT + 16 * MINUTE, readable=False)
    assert "doctor" in told.bodies[0]
    told.look(PRESENT + 17 * MINUTE, WELL)
    assert told.titles == ["Pipedrive: 1 not well", "Pipedrive: 1 well again"]


def test_a_thousand_failures_are_one_message_and_file_names_are_only_text() -> None:
    told = Told()
    troubles = [
        Trouble(f"source_{number}", TroubleKind.FAILED, "", "Its last run failed.\n<!channel> &c")
        for number in range(1000)
    ]
    told.look(PRESENT, replace(WELL, troubles=troubles))
    assert told.titles == ["Pipedrive: 1000 not well"]
    assert "- and 970 more" in told.bodies[0]
    assert "<!channel>" not in told.bodies[0]
