"""Dagster's own UI in a headless browser, on a live Dagster with the template project."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from pipedrive_orchestration.demo import running_demo
from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.conftest import account_settings
from pipedrive_orchestration_tests.orchestration.live import FINISHED, ROOT, LiveDagster, wait_for

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# Pages fetch what they show piece by piece, on a machine that is running imports at the same time.
expect.set_options(timeout=20_000)

Shoot = Callable[[str], None]


@pytest.fixture(scope="session")
def dagster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDagster]:
    """The template project, imported by the sensor that imports new sources, and one bad file."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium; on Debian: apt-get install chromium")
    with running_demo(account_settings(scale=0.5)) as account:
        live = LiveDagster(tmp_path_factory.mktemp("ui"), account)
        # By which a run launches another.
        live.environment["PIPEDRIVE_DAGSTER_URL"] = live.url
        # Pages that follow a run see its file change as each of its connections is closed.
        del live.environment["TEST_QUICK_STORAGE"]
        shutil.copytree(ROOT / "project" / "sources", live.project / "sources", dirs_exist_ok=True)
        live.start()
        expected = len(list((live.project / "sources").iterdir()))

        def imported() -> bool:
            runs = live.runs()
            return len(runs) >= expected and all(run["status"] in FINISHED for run in runs)

        wait_for("first imports", imported, seconds=180)
        yield live
        live.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, dagster: LiveDagster) -> Iterator[Page]:
    context = browser.new_context(base_url=dagster.url, viewport={"width": 1280, "height": 800})
    # The browser has the clock of the tests as well, so that what has just been is not months ago.
    context.clock.install(time=PRESENT + timedelta(minutes=10))
    page = context.new_page()
    page.set_default_timeout(30_000)
    yield page
    context.close()


SHOWN_FOLDER = "~/crm"
"""What pictures show in place of the folder that a run of the tests has to itself."""

_RENAME = """([before, after]) => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const text = texts.currentNode;
        if (text.data.includes(before)) text.data = text.data.replaceAll(before, after);
    }
}"""


@pytest.fixture
def shoot(page: Page, tmp_path: Path, dagster: LiveDagster) -> Shoot:
    """Keeps a picture of the page, in the folder that ``UI_SCREENSHOTS`` names if it names one."""
    folder = Path(os.environ.get("UI_SCREENSHOTS") or tmp_path)

    def shoot(name: str) -> None:
        page.mouse.move(0, 0)
        page.evaluate(_RENAME, [str(dagster.folder), SHOWN_FOLDER])
        page.screenshot(path=folder / f"ui-{name}.png", animations="disabled")

    return shoot
