"""From a change in the account to a row: subscribed to, delivered, received, merged, and told to Dagster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import dagster as dg
import httpx
import pytest

from pipedrive_orchestration.api.routes.webhooks import PATH
from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.demo.deliveries import FAILURES_TO_BAN
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.errors import Refused
from pipedrive_orchestration.services.live import LiveMerge
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.webhooks.inbox import Inbox
from pipedrive_orchestration.webhooks.merger import Merger
from pipedrive_orchestration.webhooks.subscriptions import (
    NoCredentialsError,
    TooManySubscriptionsError,
    health_of,
    listed,
    register,
    remove,
)
from pipedrive_orchestration_tests.api.serving import Api, running_api
from pipedrive_orchestration_tests.conftest import FreshDemo
from pipedrive_orchestration_tests.exactness.churn import is_live
from pipedrive_orchestration_tests.instances import dagster_instance
from pipedrive_orchestration_tests.orchestration.conftest import source

DEALS = {
    "name": "Deals",
    "object_type": "deals",
    "properties": ["title", "status", "org_name"],
    "pull_mode": "static",
    "options": {"partitions_start": "2026-05"},
}


def until(what: str, look: Callable[[], bool]) -> None:
    """Waits for something that happens in other threads."""
    deadline = time.monotonic() + 60
    while not look():
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(0.05)


def settings_of(demo: DemoServer, folder: Path, password: str = "a password") -> Settings:
    return Settings.from_variables(
        {
            "PIPEDRIVE_API_URL": demo.url,
            "PIPEDRIVE_API_TOKEN": demo.token,
            "PIPEDRIVE_WEBHOOK_USER": "pipedrive",
            "PIPEDRIVE_WEBHOOK_PASSWORD": password,
            "PIPEDRIVE_INBOX": str(folder / "inbox"),
            "PIPEDRIVE_WAREHOUSE": str(folder / "warehouse.duckdb"),
        }
    )


def live_merge(api: Api) -> LiveMerge:
    context = api.context
    inbox = Inbox(Path(str(context.settings.inbox)))
    staging = context.warehouse.folder / "staging"
    return LiveMerge(context.deployment, Merger(inbox, context.connection, context.warehouse, staging))


def test_a_deal_that_is_won_is_a_row_without_a_pull_and_dagster_knows(
    fresh_demo: FreshDemo, tmp_path: Path
) -> None:
    demo = fresh_demo(scale=0.02)
    settings = settings_of(demo, tmp_path)
    with (
        dagster_instance() as instance,
        running_api(tmp_path, instance, settings.variables()) as api,
    ):
        deals = api.add(**DEALS)
        api.run_import(deals)
        connection = Connection.from_settings(settings)
        done = asyncio.run(register(connection, settings, [deals], f"{api.url}{PATH}"))
        assert [one.event_object for one in done.made] == ["deal"]
        again = asyncio.run(register(connection, settings, [deals], f"{api.url}{PATH}"))
        assert (len(again.made), len(again.kept)) == (0, 1)
        demo.account.clock.advance(timedelta(seconds=5))
        open_deal = next(
            one for one in demo.account.records("deals") if one["status"] == "open" and is_live(one)
        )
        demo.write("PATCH", f"/api/v2/deals/{open_deal['id']}", {"status": "won"})
        merge = live_merge(api)
        inbox = Inbox(tmp_path / "inbox")
        until("event in the inbox", lambda: bool(inbox.files()))
        assert merge.merge()
        merge.report()
        with api.context.warehouse.reading() as warehouse:
            row = warehouse.execute(
                f"SELECT status FROM pipedrive.{deals.slug} WHERE _id = ?", [open_deal["id"]]
            ).fetchone()
        assert row == ("won",)
        event = instance.get_latest_materialization_event(dg.AssetKey(["pipedrive", deals.slug]))
        assert event is not None
        assert event.asset_materialization is not None
        told = {name: value.value for name, value in event.asset_materialization.metadata.items()}
        assert (told["pull"], told["events"], told["rows_updated"]) == ("events", 1, 1)
        health = health_of(asyncio.run(listed(connection)), [deals])
        assert health.is_well
        assert len(asyncio.run(remove(connection))) == 1
        assert not health_of(asyncio.run(listed(connection)), [deals]).is_well


def test_a_receiver_that_refuses_is_banned_and_health_says_so(fresh_demo: FreshDemo, tmp_path: Path) -> None:
    demo = fresh_demo(scale=0.02, webhook_pace=10_000)
    settings = settings_of(demo, tmp_path)
    with (
        dagster_instance() as instance,
        running_api(tmp_path, instance, settings_of(demo, tmp_path, "another").variables()) as api,
    ):
        deals = api.add(**DEALS)
        connection = Connection.from_settings(settings)
        asyncio.run(register(connection, settings, [deals], f"{api.url}{PATH}"))
        deal = next(one for one in demo.account.records("deals") if one["status"] == "open" and is_live(one))
        for number in range(FAILURES_TO_BAN + 2):
            demo.account.clock.advance(timedelta(seconds=1))
            demo.write("PATCH", f"/api/v2/deals/{deal['id']}", {"title": f"Title {number}"})

        def problems() -> list[str]:
            return list(health_of(asyncio.run(listed(connection)), [deals]).problems)

        until("failed delivery", lambda: any("401" in problem for problem in problems()))
        demo.account.clock.advance(timedelta(days=3, seconds=1))
        until("end of the subscription", lambda: any("has ended" in problem for problem in problems()))
        assert not Inbox(tmp_path / "inbox").files()


def test_an_object_that_is_not_open_to_the_account_keeps_no_other_from_being_subscribed_to(
    fresh_demo: FreshDemo, tmp_path: Path
) -> None:
    demo = fresh_demo(scale=0.02)
    settings = settings_of(demo, tmp_path)
    connection = Connection.from_settings(settings)
    deals, projects = (
        source(slug=name, object_type=name, properties=("id",)) for name in ("deals", "projects")
    )
    demo.account.closed = frozenset({"projects"})
    done = asyncio.run(register(connection, settings, [projects, deals], "http://127.0.0.1:9/webhooks"))
    assert [one.event_object for one in done.made] == ["deal"]
    assert list(done.refused) == ["project"]
    with pytest.raises(Refused):
        asyncio.run(register(connection, settings, [projects], "http://127.0.0.1:9/elsewhere"))


def test_another_address_takes_the_place_of_the_one_before_and_the_limit_of_a_user_is_said(
    fresh_demo: FreshDemo, tmp_path: Path
) -> None:
    demo = fresh_demo(scale=0.02)
    settings = settings_of(demo, tmp_path)
    connection = Connection.from_settings(settings)
    deals, persons = (
        source(slug=name, object_type=name, properties=("id",)) for name in ("deals", "persons")
    )
    before = asyncio.run(register(connection, settings, [deals], "http://127.0.0.1:9/before")).made
    after = asyncio.run(register(connection, settings, [deals], "http://127.0.0.1:9/after"))
    assert [one.id for one in after.ended] == [one.id for one in before]
    assert [one.subscription_url for one in after.made] == ["http://127.0.0.1:9/after"]
    with httpx.Client(base_url=demo.url, headers={"x-api-token": demo.token}, verify=False) as client:
        others = {"subscription_url": "http://127.0.0.1:9/other", "name": "of another program",
                  "event_action": "*", "event_object": "deal"}  # fmt: skip
        while client.post("/v1/webhooks", json=others).status_code == 201:
            pass
    with pytest.raises(TooManySubscriptionsError, match="40 webhooks are there already and 1 more"):
        asyncio.run(register(connection, settings, [deals, persons], "http://127.0.0.1:9/after"))
    # The one that makes room for itself is no more than before.
    again = asyncio.run(register(connection, settings, [deals], "http://127.0.0.1:9/again"))
    assert len(again.made) == len(again.ended) == 1


def test_without_credentials_nothing_is_registered(fresh_demo: FreshDemo) -> None:
    demo = fresh_demo(scale=0.02)
    connection = Connection.of(demo.url, demo.token)
    with pytest.raises(NoCredentialsError):
        asyncio.run(register(connection, Settings(), [], "https://crm.example.com"))
    with httpx.Client(base_url=demo.url, headers={"x-api-token": demo.token}, verify=False) as client:
        refused = client.post("/v1/webhooks", json={"subscription_url": "ftp://x", "name": "x",
                              "event_action": "*", "event_object": "deal"})  # fmt: skip
    assert refused.status_code == 400
