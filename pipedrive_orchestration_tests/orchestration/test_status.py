"""The assets that show how the sources are and what they cost, and the sensor that reports them."""

from __future__ import annotations

import base64
import re
import shutil
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import dagster as dg
import pytest
import yaml

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.importing import Pull, import_source
from pipedrive_orchestration.orchestration.context import ProjectContext
from pipedrive_orchestration.orchestration.source.asset import build_source_asset
from pipedrive_orchestration.orchestration.status import build_status_sensor
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.services.deployment import Deployment
from pipedrive_orchestration.services.lifecycle import Switch, switch_source
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration_tests.clocks import PRESENT, Ticks

NOW = PRESENT
BODY = {
    "name": "Pipelines",
    "object_type": "pipelines",
    "properties": ["id", "name"],
    "pull_mode": "active",
    "schedule": "*/15 * * * *",
}
STATUS, ACCOUNT = dg.AssetKey("status"), dg.AssetKey(["pipedrive", "account"])


class Watched:
    """A project that the sensor looks at."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, resources: dict[str, Any]) -> None:
        self.sources = folder / "project" / "sources"
        self.sources.mkdir(parents=True)
        self.project = ProjectContext(Settings(project=folder / "project"))
        self.instance = instance
        self.resources = resources
        self.cursor: str | None = None
        self.told: dict[str, str] = {}
        """What the last look has told sources of their state."""

    def write(self, slug: str, text: str) -> None:
        (self.sources / f"{slug}.yaml").write_text(text)

    def bring(self, slug: str, server: DemoServer, staging: Path, at: datetime = NOW) -> None:
        import_source(
            self.project.store(self.instance).load().find(slug),
            connection=Connection.of(server.url, server.token),
            warehouse=self.resources["warehouse"].warehouse(),
            staging=staging,
            pull=Pull.CHANGES,
            windows=(),
            clock=Ticks(lambda: at),
        )

    def look(self, at: datetime) -> dict[dg.AssetKey, dict[str, Any]]:
        """What is reported at an instant, by asset."""
        sensor = build_status_sensor(self.project, clock=lambda: at)
        self.told = {}
        context = dg.build_sensor_context(
            instance=self.instance,
            instance_ref=self.instance.get_ref(),
            repository_name="a_repository",
            sensor_name=sensor.name,
            cursor=self.cursor,
            resources={"warehouse": self.resources["warehouse"]},
        )
        with context:
            ticked = sensor.evaluate_tick(context)
        self.cursor = ticked.cursor or self.cursor
        for event in ticked.asset_events:
            if isinstance(event, dg.AssetObservation):
                self.told[event.asset_key.path[-1]] = str(event.metadata["state"].value)
        events = [event for event in ticked.asset_events if isinstance(event, dg.AssetMaterialization)]
        return {
            event.asset_key: {name: value.value for name, value in event.metadata.items()} for event in events
        }


@pytest.fixture
def watched(tmp_path: Path, instance: dg.DagsterInstance, resources: dict[str, Any]) -> Watched:
    return Watched(tmp_path, instance, resources)


def test_what_is_wrong_is_reported_at_once_and_figures_every_hour(
    watched: Watched, demo: DemoServer, tmp_path: Path
) -> None:
    watched.write("pipelines", yaml.safe_dump(BODY))
    told = watched.look(NOW)
    assert told[STATUS]["summary"] == "1 source, all well."
    assert told[ACCOUNT]["tokens_today"] == 0
    assert watched.look(NOW + timedelta(minutes=1)) == {}

    watched.bring("pipelines", demo, tmp_path / "staging")
    soon = NOW + timedelta(minutes=2)
    # That it has a watermark now, and so a freshness, is news.
    told = watched.look(soon)
    rows, is_today = told[STATUS]["rows"], soon.date() == NOW.date()
    assert rows > 0
    assert told[STATUS]["rows_changed_today"] == (rows if is_today else 0)
    assert "| pipelines | active | " in told[STATUS]["sources"]
    assert told[ACCOUNT]["company"] == demo.account.me["company_name"]
    assert (told[ACCOUNT]["tokens_today"] > 0) == is_today
    assert re.fullmatch(
        rf"[\d,]+ of [\d,]+ tokens of the day were left at {NOW:%m-%d %H:%M} UTC\.",
        told[ACCOUNT]["tokens_left"],
    )

    watched.bring("pipelines", demo, tmp_path / "staging", soon)
    assert watched.look(soon + timedelta(minutes=10)) == {}
    later = watched.look(soon + timedelta(minutes=61))
    assert later[STATUS]["summary"] == "1 source, 1 to look at."
    assert "has not brought its changes" in later[STATUS]["what_to_do"]

    watched.write("broken", "name: [")
    assert watched.look(soon + timedelta(minutes=62))[STATUS]["files_left_out"] == 1


def test_the_page_of_a_source_says_its_state_in_words_when_it_becomes_another_one(
    watched: Watched, instance: dg.DagsterInstance
) -> None:
    expiring = BODY | {"expiration_date": f"{NOW + timedelta(days=1):%Y-%m-%d}"}
    watched.write("pipelines", yaml.safe_dump(BODY))
    watched.write("ending", yaml.safe_dump(expiring))
    watched.look(NOW)
    assert watched.told == {
        "pipelines": "Active: it follows changes at */15 * * * * (UTC).",
        "ending": f"Active: it follows changes at */15 * * * * (UTC), up to {expiring['expiration_date']}.",
    }
    watched.look(NOW + timedelta(minutes=1))
    assert watched.told == {}
    deployment = Deployment(watched.project.store(instance), instance)
    switch_source(deployment, deployment.store.load().find("pipelines"), Switch.PAUSED)
    watched.look(NOW + timedelta(minutes=2))
    (told,) = watched.told.items()
    assert told[0] == "pipelines"
    assert told[1].startswith("Paused: its schedule was stopped.")


def test_a_run_of_several_sources_is_told_of_each_that_failed(
    watched: Watched, instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    properties = {"pipelines": ["id", "nmae"], "currencies": ["id", "code"], "users": ["id", "emial"]}
    for object_type, wanted in properties.items():
        body = BODY | {"name": object_type, "object_type": object_type, "properties": wanted}
        watched.write(object_type, yaml.safe_dump(body))
    sources = watched.project.store(instance).load().sources
    assets = [build_source_asset(source) for source in sources]
    run = dg.materialize(assets, instance=instance, resources=resources, raise_on_error=False)
    assert not run.success
    told = watched.look(NOW)[STATUS]
    assert told["summary"] == "3 sources, 2 to look at."
    failed = [line.replace("\\", "") for line in told["what_to_do"].splitlines()]
    assert [line.partition(": Its last run failed: ")[0] for line in failed] == ["- pipelines", "- users"]
    assert "nmae" in failed[0]
    assert "emial" in failed[1]


def test_a_chart_that_cannot_be_drawn_is_left_out(
    watched: Watched, demo: DemoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.write("pipelines", yaml.safe_dump(BODY))
    watched.bring("pipelines", demo, tmp_path / "staging")
    # As where the engine that draws is not what was installed.
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    told = watched.look(NOW)
    assert told[STATUS]["rows"] > 0
    assert told[ACCOUNT]["tokens_today"] > 0
    assert "changes" not in told[STATUS]


def test_no_tick_leaves_a_file_of_what_it_logs(watched: Watched, demo: DemoServer, tmp_path: Path) -> None:
    """Dagster keeps such a file for every tick, for ever; and this one ticks every minute."""
    watched.write("pipelines", yaml.safe_dump(BODY))
    watched.bring("pipelines", demo, tmp_path / "staging")
    assert watched.look(NOW)
    assert list(Path(watched.instance.root_directory).rglob("*.err")) == []


def test_charts_are_images_that_name_the_sources(watched: Watched, demo: DemoServer, tmp_path: Path) -> None:
    watched.write("pipelines", yaml.safe_dump(BODY))
    watched.bring("pipelines", demo, tmp_path / "staging")
    told = watched.look(NOW)
    for asset, name in ((STATUS, "changes"), (ACCOUNT, "tokens_by_day")):
        image = re.fullmatch(r"!\[[^\]]+\]\(data:image/svg\+xml;base64,([\w+/=]+)\)", told[asset][name])
        assert image
        picture = ET.fromstring(base64.b64decode(image[1]))
        texts = {element.text for element in picture.iter() if element.text}
        assert "pipelines" in texts


def test_a_database_that_is_busy_is_looked_at_a_minute_later(
    watched: Watched, demo: DemoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.write("pipelines", yaml.safe_dump(BODY))
    watched.bring("pipelines", demo, tmp_path / "staging")
    monkeypatch.setattr("pipedrive_orchestration.orchestration.context.PATIENCE_SECONDS", 0.1)
    database = Path(watched.resources["warehouse"].database)
    kept = database.with_name("kept")
    shutil.copy(database, kept)
    database.write_bytes(b"no database" * 500)
    assert watched.look(NOW) == {}
    shutil.move(kept, database)
    assert watched.look(NOW)[STATUS]["rows"] > 0
