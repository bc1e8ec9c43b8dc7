"""What a user does by clicking, and what the pages then show."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.orchestration.live import LiveDagster, wait_for
from pipedrive_orchestration_tests.ui.conftest import Shoot

pytestmark = pytest.mark.ui

LOCATION = "/locations/pipedrive_orchestration"


CHECKS = (
    "count_reconciliation",
    "freshness",
    "matches_definition",
    "quarantine_empty",
    "schema_drift",
    "unique_ids",
    "windows_reconciled",
)


def test_the_lineage_shows_the_account_and_what_hangs_on_it(page: Page, shoot: Shoot) -> None:
    page.goto("/asset-groups")
    for group in ("deals", "persons", "activities", "pipelines"):
        expect(page.get_by_text(group, exact=True).first).to_be_visible()
    page.goto("/assets/pipedrive/open_deals?view=lineage&lineageScope=neighbors")
    for name in ("account", "open_deals", "stages", "status"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    expect(page.get_by_text(re.compile("^Loading"))).to_have_count(0)
    shoot("lineage")
    page.goto(f"{LOCATION}/asset-groups/deals")
    for source in ("all_deals", "open_deals"):
        expect(page.get_by_text(source, exact=True).first).to_be_visible()
    expect(page.get_by_text(re.compile("^Loading"))).to_have_count(0)


def expect_picture(page: Page, entry: str, alternative: str) -> None:
    """Expects that an entry of metadata opens as an image that the browser has drawn."""
    row = page.get_by_role("row", name=entry).filter(has_text="[Show Markdown]")
    row.get_by_text("[Show Markdown]").click()
    picture = page.get_by_alt_text(re.compile(alternative))
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 300
    page.get_by_role("button", name="Close").click()


def test_the_catalog_lists_every_source_as_imported(page: Page) -> None:
    page.goto("/assets")
    expect(page.get_by_role("link", name="open_deals").first).to_be_visible()
    expect(page.get_by_text("25 partitions")).to_have_count(7)


def test_the_status_says_how_every_source_is(page: Page, shoot: Shoot) -> None:
    def told() -> bool:
        """Whether it is the report of the first imports; an earlier one has no rows and stays there."""
        page.goto("/assets/status?view=events")
        expect(page.get_by_text(re.compile(r"^\d+ sources")).first).to_be_visible(timeout=90_000)
        return page.get_by_role("row", name="changes").count() > 0

    wait_for("report of the first imports", told, seconds=150)
    page.get_by_role("row", name="sources [Show Markdown]").get_by_text("[Show Markdown]").click()
    expect(page.get_by_role("columnheader", name="last success")).to_be_visible()
    expect(page.get_by_role("cell", name="open_deals", exact=True)).to_be_visible()
    shoot("status")
    page.get_by_role("button", name="Close").click()
    expect_picture(page, "changes", "^Rows of each source that changed")


def test_the_account_says_what_is_left_of_the_day_and_who_spent_it(page: Page) -> None:
    page.goto("/assets/pipedrive/account?view=events")
    expect(page.get_by_text(re.compile("tokens of the day were left")).first).to_be_visible(timeout=90_000)
    expect(page.get_by_role("columnheader", name="tokens today")).to_be_visible()
    expect(page.get_by_role("cell", name="open_deals", exact=True)).to_be_visible()


def test_the_windows_of_a_source_show_its_rows_in_words_and_as_a_picture(page: Page, shoot: Shoot) -> None:
    page.goto("/assets/pipedrive/all_persons?view=partitions")
    expect(page.get_by_text("Materialized (25)")).to_be_visible()
    # In the list; the axis above it has one as well, and a hidden one is there to measure it.
    page.get_by_text(f"{PRESENT:%Y-%m}-01", exact=True).locator("visible=true").last.click()
    expect(page.get_by_text(re.compile(r"^[\d,]+ added"))).to_be_visible()
    shoot("partitions")
    expect_picture(page, "rows_over_windows", "^Rows by the month")


def test_a_run_says_what_it_did(page: Page, dagster: LiveDagster, shoot: Shoot) -> None:
    key = ["pipedrive", "all_persons"]
    run = next(run for run in dagster.runs() if [asset["path"] for asset in run["assetSelection"]] == [key])
    page.goto(f"/runs/{run['runId']}")
    expect(page.get_by_text("RUN_SUCCESS")).to_be_visible()
    expect(page.get_by_text(re.compile("all_persons: .* records read")).first).to_be_visible()
    shoot("run")


def test_the_page_of_a_source_shows_rows_columns_checks_and_its_schedule(page: Page, shoot: Shoot) -> None:
    page.goto("/assets/pipedrive/all_persons")
    expect(page.get_by_text("persons of Pipedrive")).to_be_visible()
    expect(page.get_by_text("Row count", exact=True)).to_be_visible()
    expect(page.get_by_text("Email (contacts)")).to_be_visible()
    expect(page.get_by_text("Every 15 minutes")).to_be_visible()
    expect(page.get_by_text("pipedrive.all_persons", exact=True).first).to_be_visible()
    expect(page.get_by_role("link", name=re.compile(r"pipedrive\.com.persons.list$"))).to_be_visible()
    shoot("asset")
    page.goto("/assets/pipedrive/all_persons?view=checks")
    for check in CHECKS:
        expect(page.get_by_text(check, exact=True).first).to_be_visible()
    expect(page.get_by_text("Succeeded", exact=True)).to_have_count(len(CHECKS))


def test_a_backfill_is_launched_by_clicking(page: Page, dagster: LiveDagster) -> None:
    page.goto("/assets/pipedrive/open_deals?view=partitions")
    expect(page.get_by_text("Materialized (25)")).to_be_visible()
    page.get_by_role("button", name="Materialize…").click()
    # The dialog shows the last 90 days first where windows lie in them.
    every = page.get_by_text("Show all partitions")
    expect(every.or_(page.get_by_text("All time")).first).to_be_visible()
    if every.count():
        every.click()
    page.get_by_role("button", name="All", exact=True).last.click()
    expect(page.get_by_text("25 partitions", exact=True)).to_be_visible()
    expect(page.get_by_text("Backfills all partitions in a single run.")).to_be_visible()
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


BODY = """object_type: deals
properties: [title, value, currency, status, won_time, org_name]
filters:
  conditions:
    - {variable: status, condition: equals, values: [won]}
    - {variable: currency, condition: equals, values: [USD]}
"""


def write(page: Page, config: str) -> None:
    """Puts a config into the editor of the Launchpad."""
    page.locator(".CodeMirror").first.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(config)


def launch(page: Page) -> None:
    """Launches what the Launchpad holds, and waits for the page of the run."""
    expect(page.get_by_text("No errors")).to_be_visible()
    page.get_by_role("button", name="Launch Run").click()
    page.wait_for_url("**/runs/**")


def test_the_launchpad_previews_a_body(page: Page, shoot: Shoot) -> None:
    page.goto(f"{LOCATION}/jobs/preview_import_source/playground")
    editor = page.locator(".CodeMirror").first
    expect(editor).to_contain_text("org_name")
    write(page, BODY + "colour: red\n")
    expect(page.get_by_text('unexpected config entry "colour"')).to_be_visible()
    write(page, BODY)
    launch(page)
    expect(page.get_by_text("RUN_SUCCESS")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("total_results")).to_be_visible()
    page.get_by_text("[Show Markdown]").first.click()
    expect(page.get_by_role("columnheader", name="Won time")).to_be_visible()
    shoot("preview")


def says_that_it_is_paused(page: Page, slug: str) -> bool:
    """Whether the page of a source has a sentence on its schedule that was stopped."""
    page.goto(f"/assets/pipedrive/{slug}?view=events")
    # The newest event is shown: the last import, until the state has become another one.
    expect(page.get_by_text("Metadata", exact=True).first).to_be_visible()
    return page.get_by_text(re.compile("Paused: its schedule was stopped")).count() > 0


def test_jobs_pause_resume_sync_and_refuse(page: Page, dagster: LiveDagster) -> None:
    page.goto(f"{LOCATION}/jobs/pause_source/playground")
    expect(page.locator(".CodeMirror").first).to_contain_text("name-of-a-source")
    launch(page)
    expect(page.get_by_text(re.compile("There is no source `name-of-a-source`")).first).to_be_visible()
    for job, status in (("pause_source", "STOPPED"), ("resume_source", "RUNNING")):
        page.goto(f"{LOCATION}/jobs/{job}/playground")
        write(page, "source: all_deals\n")
        launch(page)
        expect(page.get_by_text("RUN_SUCCESS")).to_be_visible(timeout=60_000)
        assert dagster.schedule("all_deals_schedule")["status"] == status
        if status == "STOPPED":
            wait_for("sentence on the state", lambda: says_that_it_is_paused(page, "all_deals"), seconds=120)
    page.goto(f"{LOCATION}/jobs/sync_now/playground")
    write(page, "source: all_deals\n")
    launch(page)
    expect(page.get_by_text("run_of_source")).to_be_visible(timeout=60_000)
    key = ["pipedrive", "all_deals"]
    synced = dagster.runs(**{"pipedrive/pull": "changes"})
    assert key in [asset["path"] for run in synced for asset in run["assetSelection"] or []]
