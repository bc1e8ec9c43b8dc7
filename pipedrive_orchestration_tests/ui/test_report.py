"""The report in a browser: on a phone and a desk, in the dark and on paper, with the database's numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from pipedrive_orchestration.models.build import build_models
from pipedrive_orchestration.models.report import MOST_ROWS, make_report
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.models.company import company, fill
from pipedrive_orchestration_tests.models.test_shipped_models import (
    PROJECT,
    WHOLE,
    ZONE,
    _Project,
    sources_of,
)
from pipedrive_orchestration_tests.ui.conftest import CHROMIUM

pytestmark = pytest.mark.ui

LEAST_CONTRAST = 4.5
"""Between text and what is behind it, as WCAG asks for."""

_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

_PICTURES = """() => [...document.querySelectorAll('figure img')].map(one => ({
    drawn: one.complete && one.naturalWidth > 0, scale: one.getBoundingClientRect().width / one.naturalWidth,
    alt: one.alt,
}))"""

_CONTRASTS = """() => {
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = colour => {
        const [r, g, b] = numbers(colour).slice(0, 3).map(v => v / 255)
            .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = one => {
        const colour = getComputedStyle(one).backgroundColor, parts = numbers(colour);
        return parts.length < 4 || parts[3] > 0 ? colour : behind(one.parentElement);
    };
    return ['p', 'h2', 'th', 'td', 'dd', 'figcaption', '.rest'].map(name => {
        const one = document.querySelector(name);
        const [a, b] = [light(getComputedStyle(one).color), light(behind(one))].sort((x, y) => y - x);
        return [name, (a + 0.05) / (b + 0.05)];
    });
}"""

_CELLS = """name => [...document.querySelectorAll(`#${name} table:last-of-type tr`)]
    .map(row => [...row.cells].map(cell => cell.innerText))"""


@dataclass(frozen=True)
class Made:
    """The report of a company, and the database that it is of."""

    file: Path
    warehouse: Warehouse

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.warehouse.reading() as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    if CHROMIUM is None:
        pytest.skip("there is no chromium; on Debian: apt-get install chromium")
    folder = tmp_path_factory.mktemp("report")
    warehouse = Warehouse(str(folder / "warehouse.duckdb"))
    with warehouse.writing() as connection:
        fill(connection, company(1, PRESENT))
        # One value that would flatten every chart.
        connection.execute("UPDATE pipedrive.all_deals SET value = 1e12 WHERE _id = 7")
        connection.execute("UPDATE pipedrive_history.all_deals SET value = 1e12 WHERE _id = 7")
    project = _Project.of(PROJECT, sources_of(**WHOLE), ZONE)
    assert build_models(project, warehouse, folder / "work", clock=lambda: PRESENT).is_good
    file = folder / "report.html"
    file.write_text(make_report(warehouse, report_zone=ZONE).html)
    return Made(file, warehouse)


@pytest.fixture(
    params=[(390, "light"), (390, "dark"), (900, "light"), (900, "dark"), (1600, "light"), (1600, "dark")]
)
def opened(request: pytest.FixtureRequest, made: Made, browser: Browser) -> Iterator[Page]:
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    page.goto(made.file.as_uri())
    yield page
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    context.close()


def test_everything_can_be_read_at_every_width_by_day_and_night(opened: Page) -> None:
    assert opened.evaluate(_OVERFLOW) == 0
    pictures = opened.evaluate(_PICTURES)
    assert len(pictures) >= 10
    assert [one["alt"] for one in pictures if not one["drawn"]] == []
    # Text in a picture that is drawn much smaller than it was made cannot be read.
    assert [one for one in pictures if one["scale"] < 0.75] == []
    assert [(name, ratio) for name, ratio in opened.evaluate(_CONTRASTS) if ratio < LEAST_CONTRAST] == []


def test_the_numbers_on_the_page_are_those_of_the_database(made: Made, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(made.file.as_uri())
    for model, columns in {
        "pipeline_board": ("pipeline", "stage", "currency", "open_deals", "value", "weighted_value"),
        "sales_report": ("pipeline", "owner", "currency", "won", "lost", "won_value", "lost_value"),
        "pipeline_waterfall": ("pipeline", "currency", "opening", "new", "won", "closing"),
        "leaderboard": ("owner", "won", "lost", "activities_done", "deals_created"),
    }.items():
        head, *rows = page.evaluate(_CELLS, model)
        places = [head.index(name.replace("_", " ")) for name in columns]
        shown = [tuple(row[place] for place in places) for row in rows]
        quoted = ", ".join(f'"{name}"' for name in columns)
        stored = [tuple(map(_shown, row)) for row in made.rows(f"SELECT {quoted} FROM models.{model}")]
        if len(stored) <= MOST_ROWS:
            assert sorted(shown) == sorted(stored), model
        else:
            assert len(shown) == MOST_ROWS
            assert set(shown) <= set(stored), model
    assert "is cut off" in page.content()
    page.close()


def _shown(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def test_it_can_be_printed(made: Made, browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(color_scheme="dark", viewport={"width": 720, "height": 1000})
    page = context.new_page()
    page.goto(made.file.as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(_OVERFLOW) == 0
    assert min(ratio for _, ratio in page.evaluate(_CONTRASTS)) >= LEAST_CONTRAST
    printed = page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    pages = len(re.findall(rb"/Type\s*/Page\b", printed))
    assert 10 < pages < 60
    context.close()
