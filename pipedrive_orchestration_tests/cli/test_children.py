"""A source of records that belong to others, from its preview to its rows."""

from __future__ import annotations

import json

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration_tests.cli.conftest import PERSONS, Project

PRODUCTS = {
    "name": "Products on deals",
    "object_type": "deal_products",
    "properties": ["deal_id", "product_id", "quantity", "sum"],
    "pull_mode": "static",
}
DEALS = {
    "name": "All deals",
    "object_type": "deals",
    "properties": ["title", "products_count"],
    "pull_mode": "static",
    "options": PERSONS["options"],
}


def test_children_are_previewed_imported_after_their_parents_and_shown(
    project: Project, demo: DemoServer
) -> None:
    project.connect_to(demo)
    path = project.write("a_products", PRODUCTS)
    alone = project.run("import", "a_products")
    assert alone.code != 0
    assert "no source holds all of these" in alone.out + alone.err
    previewed = project.run("preview", str(path), "--json")
    assert previewed.code == 0, previewed.err
    assert json.loads(previewed.out)["total_results"] > 0
    project.write("z_deals", DEALS)
    imported = project.run("import", "--json")
    assert imported.code == 0, imported.err
    rows = {one["source"]: one["rows"] for one in json.loads(imported.out)}
    held = [
        child["id"]
        for deal in demo.account.records("deals")
        if not deal["is_deleted"] and not deal["is_archived"]
        for child in demo.account.children.of("deal_products", deal["id"])
    ]
    assert rows["a_products"]["current"] == len(held) > 0
    shown = project.run("show", "a_products")
    assert shown.code == 0, shown.err
    data = project.run("data", "a_products", "--format", "csv")
    assert data.code == 0, data.err
    assert "_parent_id" in data.out.splitlines()[0]
