"""What a user does by clicking, and what the pages then show."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from pipedrive_orchestration_tests.orchestration.live import LiveDagster, wait_for
from pipedrive_orchestration_tests.ui.conftest import Shoot

pytestmark = pytest.mark.ui

LOCATION = "/locations/pipedrive_orchestration"


def test_the_lineage_shows_the_object_types_and_their_sources(page: Page) -> None:
    page.goto("/asset-groups")
    for group in ("deals", "persons", "activities", "pipelines"):
        expect(page.get_by_text(group, exact=True).first).to_be_visible()
    page.goto(f"{LOCATION}/asset-groups/deals")
    for source in ("all_deals", "open_deals"):
        expect(page.get_by_text(source, exact=True).first).to_be_visible()
    expect(page.get_by_text(re.compile("^Loading"))).to_have_count(0)


def test_the_catalog_lists_every_source_as_imported(page: Page, shoot: Shoot) -> None:
    page.goto("/assets")
    expect(page.get_by_role("link", name="open_deals").first).to_be_visible()
    expect(page.get_by_text("25 partitions")).to_have_count(6)
    expect(page.get_by_text("Materialized", exact=True)).to_have_count(3)
    shoot("catalog")


def test_the_page_of_a_source_shows_rows_columns_checks_and_its_schedule(page: Page, shoot: Shoot) -> None:
    page.goto("/assets/pipedrive/all_persons")
    expect(page.get_by_text("persons of Pipedrive")).to_be_visible()
    expect(page.get_by_text("Row count", exact=True)).to_be_visible()
    expect(page.get_by_text("Email (contacts)")).to_be_visible()
    expect(page.get_by_text("Every 15 minutes")).to_be_visible()
    expect(page.get_by_text("pipedrive.all_persons", exact=True).first).to_be_visible()
    shoot("asset")
    page.goto("/assets/pipedrive/all_persons?view=checks")
    for check in ("unique_ids", "quarantine_empty", "schema_drift", "freshness", "count_reconciliation"):
        expect(page.get_by_text(check, exact=True).first).to_be_visible()
    expect(page.get_by_text("Succeeded", exact=True)).to_have_count(5)


def test_a_backfill_is_launched_by_clicking(page: Page, dagster: LiveDagster, shoot: Shoot) -> None:
    page.goto("/assets/pipedrive/open_deals?view=partitions")
    expect(page.get_by_text("Materialized (25)")).to_be_visible()
    page.get_by_role("button", name="Materialize…").click()
    page.get_by_text("Show all partitions").click()
    page.get_by_role("button", name="All", exact=True).last.click()
    expect(page.get_by_text("25 partitions", exact=True)).to_be_visible()
    expect(page.get_by_text("Backfills all partitions in a single run.")).to_be_visible()
    shoot("backfill")
    page.get_by_role("button", name=re.compile("Launch")).last.click()

    def backfilled() -> bool:
        runs = [run for run in dagster.runs() if any(tag["key"] == "dagster/backfill" for tag in run["tags"])]
        return [run["status"] for run in runs] == ["SUCCESS"]

    wait_for("run of the backfill", backfilled)


def test_a_schedule_is_switched_off_and_on(page: Page, dagster: LiveDagster) -> None:
    def wait_for_status(status: str) -> None:
        wait_for(status, lambda: dagster.schedule("all_persons_schedule")["status"] == status)

    page.goto("/automation")
    row = page.locator("[data-index]", has=page.get_by_text("all_persons_schedule", exact=True))
    # The first one selects the row; the switch comes when the page knows the schedule's state.
    expect(row.locator("label")).to_have_count(2)
    switch = row.locator("label").last
    expect(switch.locator("input")).to_be_checked()
    switch.click()
    expect(switch.locator("input")).not_to_be_checked()
    wait_for_status("STOPPED")
    switch.click()
    expect(switch.locator("input")).to_be_checked()
    wait_for_status("RUNNING")


BODY = """name: Won deals
object_type: deals
properties: [title, value, currency, status, won_time]
pull_mode: static
filters:
  conditions:
    - {variable: status, condition: equals, values: [won]}
    - {variable: currency, condition: equals, values: [USD]}
"""


def test_the_launchpad_previews_a_body(page: Page, shoot: Shoot) -> None:
    page.goto(f"{LOCATION}/jobs/preview_import_source/playground")
    editor = page.locator(".CodeMirror").first
    editor.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(BODY + "colour: red\n")
    expect(page.get_by_text('unexpected config entry "colour"')).to_be_visible()
    editor.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(BODY)
    expect(page.get_by_text("No errors")).to_be_visible()
    expect(page.get_by_text("The last day (UTC) on which the schedule fires", exact=False)).to_be_visible()
    page.get_by_role("button", name="Launch Run").click()
    page.wait_for_url("**/runs/**")
    expect(page.get_by_text("RUN_SUCCESS")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("total_results")).to_be_visible()
    page.get_by_text("[Show Markdown]").first.click()
    expect(page.get_by_role("columnheader", name="Won time")).to_be_visible()
    shoot("preview")
