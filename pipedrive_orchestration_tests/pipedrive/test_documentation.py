"""The page on Pipedrive's API: what code and tests refer to is there, and nothing refers anywhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipedrive_orchestration_tests.pipedrive import collections_table

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "pipedrive-api.md"

REFERRING = ("pipedrive_orchestration", "pipedrive_orchestration_tests", "benchmarks", "docs")

REFERENCE = re.compile(r"pipedrive-api\.md(?:#([\w-]*))?")


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def headings() -> set[str]:
    return {slug(line.lstrip("# ")) for line in PAGE.read_text().splitlines() if line.startswith("#")}


def texts() -> Iterator[tuple[Path, str]]:
    for folder in REFERRING:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".md") and path != Path(__file__):
                yield path, path.read_text()


def references() -> list[tuple[str, str]]:
    return [
        (str(path.relative_to(ROOT)), anchor) for path, text in texts() for anchor in REFERENCE.findall(text)
    ]


@pytest.mark.skipif(not PAGE.exists(), reason="the package is tested without its repository")
def test_every_reference_to_the_page_names_one_of_its_headings() -> None:
    known = headings()
    found = references()
    assert len(found) > 50
    assert [(path, anchor) for path, anchor in found if anchor and anchor not in known] == []


@pytest.mark.skipif(not PAGE.exists(), reason="the package is tested without its repository")
def test_every_fact_says_how_sure_it_is() -> None:
    marks = ("documented", "observed", "unverified")
    facts = PAGE.read_text().partition("## Addresses")[2]
    bullets = [part.split("\n\n")[0] for part in re.split(r"^- ", facts, flags=re.MULTILINE)[1:]]
    assert [bullet for bullet in bullets if not any(mark in bullet for mark in marks)] == []


@pytest.mark.skipif(not PAGE.exists(), reason="the package is tested without its repository")
def test_the_table_of_collections_is_that_of_the_catalogue() -> None:
    page = collections_table.PAGE.read_text()
    shown = page.partition(collections_table.BEGIN)[2].partition(collections_table.END)[0]
    assert shown == collections_table.table(), "python -m ...pipedrive.collections_table writes it anew"
