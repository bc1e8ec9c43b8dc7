"""Clicks and seconds in Dagster's UI: ``python -m pipedrive_orchestration_tests.ui.clicks``.

Each way begins on the page that the UI opens with and ends when what was wanted is on the screen. Text that
is typed or pasted counts as one click. It prints a table and asserts nothing about it.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Locator, Page, expect, sync_playwright

from pipedrive_orchestration.demo import running_demo
from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.conftest import account_settings
from pipedrive_orchestration_tests.orchestration.live import FINISHED, ROOT, LiveDagster, wait_for
from pipedrive_orchestration_tests.ui.conftest import CHROMIUM

PATIENCE = 120_000

SOURCE = """name: Won deals
object_type: deals
properties: [title, value, won_time, org_name]
filters:
  conditions:
    - {variable: status, condition: equals, values: [won]}
pull_mode: static
"""

EDIT = """source: open_deals
body:
  name: Won deals of the year
  object_type: deals
  properties: [title, value, status]
  filters:
    conditions:
      - {variable: status, condition: equals, values: [won]}
  pull_mode: active
  schedule: "*/30 * * * *"
"""


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Person:
    """Somebody at the screen, whose clicks are counted."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.clicks = 0

    def click(self, target: Locator) -> None:
        target.click(timeout=PATIENCE)
        self.clicks += 1

    def menu(self, name: str) -> None:
        self.click(self.page.get_by_role("link", name=re.compile(name)).first)

    def link(self, name: str) -> None:
        self.click(self.page.get_by_role("link", name=name).first)

    def write(self, config: str) -> None:
        self.page.locator(".CodeMirror").first.click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(config)
        self.clicks += 1
        expect(self.page.get_by_text("No errors")).to_be_visible(timeout=PATIENCE)

    def sees(self, text: str | re.Pattern[str]) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible(timeout=PATIENCE)

    def launches(self, job: str, config: str) -> None:
        self.menu("^Jobs|Jobs$")
        self.link(job)
        self.click(self.page.get_by_text("Launchpad", exact=True).first)
        self.write(config)
        self.click(self.page.get_by_role("button", name="Launch Run"))
        self.sees("RUN_SUCCESS")


def table(person: Person) -> None:
    person.menu("Catalog")
    person.link("all_persons")
    row = person.page.get_by_role("row", name="preview").filter(has_text="[Show Markdown]").first
    person.click(row.get_by_text("[Show Markdown]"))
    person.sees("Organization")


def failure(person: Person) -> None:
    person.menu("Runs")
    row = person.page.locator("[data-index], tr").filter(has_text="Failure").first
    person.click(row.get_by_role("link").first)
    person.sees(re.compile("have no field 'nmae'"))


def backfill(person: Person) -> None:
    person.menu("Catalog")
    person.link("open_deals")
    person.click(person.page.get_by_role("button", name="Materialize…"))
    box = person.page.get_by_role("dialog").get_by_role("textbox").first
    box.fill(f"[{PRESENT - timedelta(days=62):%Y-%m}-01...{PRESENT:%Y-%m}-01]", timeout=PATIENCE)
    box.press("Enter")
    person.clicks += 1
    person.click(person.page.get_by_role("button", name=re.compile("Launch")).last)


def schedule(person: Person) -> None:
    person.menu("Automation")
    row = person.page.locator("[data-index]", has=person.page.get_by_text("all_persons_schedule", exact=True))
    expect(row.locator("label")).to_have_count(2, timeout=PATIENCE)
    switch = row.locator("label").last
    expect(switch.locator("input")).to_be_checked(timeout=PATIENCE)
    person.click(switch)
    expect(switch.locator("input")).not_to_be_checked(timeout=PATIENCE)


WAYS: dict[str, Callable[[Person], None]] = {
    "see what is in a table": table,
    "find out why the last run failed": failure,
    "back-fill three months": backfill,
    "change a filter": lambda person: person.launches("edit_source", EDIT),
    "stop a schedule": schedule,
    "add a source": lambda person: person.launches("create_import_source", SOURCE),
}


def main() -> None:
    """Print the table."""
    with running_demo(account_settings(scale=0.5)) as account, tempfile.TemporaryDirectory() as folder:
        live = LiveDagster(Path(folder), account)
        live.environment["PIPEDRIVE_DAGSTER_URL"] = live.url
        # Pages that follow a run see its file change as each of its connections is closed.
        del live.environment["TEST_QUICK_STORAGE"]
        shutil.copytree(ROOT / "project" / "sources", live.project / "sources", dirs_exist_ok=True)
        live.write("misspelt", name="Misspelt", object_type="deals", properties=["nmae"], pull_mode="static")
        live.start()
        try:
            expected = len(list((live.project / "sources").iterdir()))
            wait_for(
                "first imports",
                lambda: (
                    len(live.runs()) >= expected and all(run["status"] in FINISHED for run in live.runs())
                ),
                seconds=300,
            )
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
                say("| to | clicks | seconds |\n|---|---|---|")
                for name, way in WAYS.items():
                    page = browser.new_context(
                        base_url=live.url, viewport={"width": 1280, "height": 800}
                    ).new_page()
                    page.goto("/")
                    expect(page.get_by_text("Catalog").first).to_be_visible(timeout=PATIENCE)
                    person, began = Person(page), time.monotonic()
                    try:
                        way(person)
                        say(f"| {name} | {person.clicks} | {time.monotonic() - began:.0f} |")
                    except AssertionError as error:
                        say(f"| {name} | not found after {person.clicks} | {str(error).splitlines()[0]} |")
                browser.close()
        finally:
            live.stop()


if __name__ == "__main__":
    main()
