"""The parents of children: which source they are, and what is said where there is none."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipedrive_orchestration.services.project_check import check_paths
from pipedrive_orchestration.sources import InMemoryKeyValues, InvalidBodyError, SourceBody, SourceStore
from pipedrive_orchestration_tests.sources.bodies import static_body

PRODUCTS = static_body(object_type="deal_products", properties=["name"])
DEALS = static_body(properties=["title"])
GOALS = static_body(object_type="goals", properties=["title", "duration"])
RESULTS = static_body(object_type="goal_results", properties=["progress"])
OPEN_DEALS = DEALS | {"filters": {"conditions": [{"variable": "status", "values": ["open"]}]}}


def project_of(folder: Path, **files: Any) -> SourceStore:
    (folder / "sources").mkdir()
    for slug, body in files.items():
        (folder / "sources" / f"{slug}.yaml").write_text(yaml.safe_dump(body, sort_keys=False))
    return SourceStore(folder, InMemoryKeyValues(), clock=lambda: datetime(2026, 5, 20, tzinfo=UTC))


def naming(slug: str) -> dict[str, Any]:
    return PRODUCTS | {"options": {"parents": slug}}


@pytest.mark.parametrize(
    ("files", "parents"),
    [
        ({"deals": DEALS, "products": PRODUCTS}, "deals"),
        ({"deals": GOALS, "products": RESULTS}, "deals"),
        ({"deals": DEALS, "open_deals": OPEN_DEALS, "products": PRODUCTS}, "deals"),
        ({"deals": DEALS, "open_deals": OPEN_DEALS, "products": naming("open_deals")}, "open_deals"),
    ],
)
def test_children_are_read_along_the_source_named_or_the_only_whole_one(
    tmp_path: Path, files: dict[str, Any], parents: str
) -> None:
    loaded = project_of(tmp_path, **files).load()
    assert loaded.bad_files == ()
    assert loaded.find("products").parents == parents
    assert loaded.find("deals").parents is None
    assert "parents" not in loaded.find("products").body


@pytest.mark.parametrize(
    ("files", "code", "said"),
    [
        ({"products": PRODUCTS}, "no_parents", "no source holds all of these"),
        ({"open_deals": OPEN_DEALS, "products": PRODUCTS}, "no_parents", "name one of these: open_deals"),
        ({"a": DEALS, "b": DEALS, "products": PRODUCTS}, "several_parents", "all of these: a, b"),
        ({"deals": DEALS, "products": naming("deal")}, "unknown_parents", "Did you mean `deals`?"),
        (
            {"goals": GOALS | {"properties": ["title"]}, "products": RESULTS},
            "parents_without_property",
            "`goals` has to import `duration`, by which goal_results are asked for.",
        ),
        (
            {"leads": DEALS | {"object_type": "leads"}, "products": naming("leads")},
            "unknown_parents",
            "no sources",
        ),
    ],
)
def test_a_child_without_possible_parents_is_left_out_and_check_says_where(
    tmp_path: Path, files: dict[str, Any], code: str, said: str
) -> None:
    store = project_of(tmp_path, **files)
    loaded = store.load()
    (bad,) = loaded.bad_files
    assert (bad.slug, [problem.code for problem in bad.problems]) == ("products", [code])
    assert said in bad.problems[0].message
    assert {source.slug for source in loaded.sources} == set(files) - {"products"}
    (finding,) = check_paths([tmp_path]).findings
    lines = (tmp_path / "sources" / "products.yaml").read_text().splitlines()
    if "options" in files["products"]:
        assert "parents" in lines[finding.problem.place.line - 1]
    with pytest.raises(InvalidBodyError) as refused:
        store.create(SourceBody.parse(files["products"]))
    assert [problem.code for problem in refused.value.problems] == [code]


def test_only_children_have_parents() -> None:
    with pytest.raises(InvalidBodyError) as refused:
        SourceBody.parse(DEALS | {"options": {"parents": "deals"}})
    assert [(each.field, each.code) for each in refused.value.problems] == [("options", "no_parents")]
