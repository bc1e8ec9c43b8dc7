"""What the page of a source says and shows before anything runs: lineage, filter, file, freshness."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from pipedrive_orchestration.orchestration.context import ProjectContext
from pipedrive_orchestration.orchestration.project_definitions import ProjectSnapshot, build_definitions
from pipedrive_orchestration.settings import Settings

SOURCES: dict[str, dict[str, Any]] = {
    "all_deals": {
        "object_type": "deals",
        "properties": ["title", "person_id", "org_id", "owner_id", "stage_id"],
    },
    "all_persons": {"object_type": "persons", "properties": ["name", "org_id", "next_activity_id"]},
    "all_organizations": {"object_type": "organizations", "properties": ["name", "next_activity_id"]},
    "few_organizations": {
        "object_type": "organizations",
        "properties": ["name"],
        "filters": {"conditions": [{"variable": "name", "condition": "starts with", "values": ["A"]}]},
    },
    "activities": {"object_type": "activities", "properties": ["subject", "deal_id", "person_id"]},
    "deal_products": {"object_type": "deal_products", "properties": ["name", "quantity"]},
    "users": {"object_type": "users", "properties": ["name"], "pull_mode": "active", "schedule": "@daily"},
}


def specs(folder: Path) -> dict[str, dg.AssetSpec]:
    (folder / "sources").mkdir(parents=True)
    for slug, body in SOURCES.items():
        whole = {"name": slug, "pull_mode": "static"} | body
        (folder / "sources" / f"{slug}.yaml").write_text(yaml.safe_dump(whole))
    project = ProjectContext(Settings(project=folder))
    snapshot = ProjectSnapshot.read(project, None)
    definitions = build_definitions(snapshot.sources, snapshot.workflows, project)
    return {spec.key.path[-1]: spec for spec in definitions.resolve_all_asset_specs()}


def test_a_source_lies_below_the_account_and_what_its_references_point_to(tmp_path: Path) -> None:
    found = specs(tmp_path)
    above = {slug: {dep.asset_key.path[-1] for dep in found[slug].deps} for slug in SOURCES}
    assert above == {
        # No source holds all stages, and only some organizations are no place to point to.
        "all_deals": {"account", "all_persons", "all_organizations", "users"},
        # Activities lie below persons, so persons cannot lie below activities.
        "all_persons": {"account", "all_organizations"},
        "all_organizations": {"account"},
        "few_organizations": {"account"},
        "activities": {"account", "all_deals", "all_persons"},
        # Children are read along their parents.
        "deal_products": {"account", "all_deals"},
        "users": {"account"},
    }


def test_the_page_says_the_filter_names_the_file_and_follows_the_cron(tmp_path: Path) -> None:
    found = specs(tmp_path)
    described = (found["few_organizations"].description or "").replace("\\", "")
    assert "Only organizations of which name starts with “A”." in described
    references = found["users"].metadata["dagster/code_references"].code_references
    assert [Path(reference.file_path) for reference in references] == [tmp_path / "sources" / "users.yaml"]
    assert found["users"].freshness_policy == dg.FreshnessPolicy.time_window(
        fail_window=timedelta(days=3, minutes=10), warn_window=timedelta(days=1, minutes=10)
    )
    assert found["all_deals"].freshness_policy is None
