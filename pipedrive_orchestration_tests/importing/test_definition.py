"""What a source asks an account for, and what it is told about properties that the account does not have."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipedrive_orchestration.importing import UnknownPropertiesError
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN, DEALS
from pipedrive_orchestration.pipedrive.object_types import MAX_CUSTOM_FIELDS_PER_REQUEST
from pipedrive_orchestration_tests.chaos.sizes import sample
from pipedrive_orchestration_tests.importing.accounts import account, deal, field
from pipedrive_orchestration_tests.importing.canned import serving
from pipedrive_orchestration_tests.importing.imports import rows, run, source

KEYS = [f"{number:040x}" for number in range(MAX_CUSTOM_FIELDS_PER_REQUEST + 1)]
FIELDS = [field(key, "varchar", f"Field {number}") for number, key in enumerate(KEYS)]


def asked_of_deals(folder: Path, properties: list[str]) -> dict[str, str]:
    """The query of the first page of deals, which comes after one that only looks how many there are."""
    with serving(account("deals", [deal(1, dict.fromkeys(KEYS, "x"))], FIELDS)) as served:
        run(source("deals", properties), served.connection, folder)
        queries = [asked.query for asked in served.asked if asked.path == DEALS.path]
        return next(query for query in queries if query["limit"] != "1")


def test_optional_properties_are_asked_for(tmp_path: Path) -> None:
    asked = asked_of_deals(tmp_path, ["title", "products_count", "source_lead_id"])
    assert asked["include_fields"] == "products_count,source_lead_id"
    assert "custom_fields" not in asked


def test_a_few_custom_fields_are_named_and_many_are_all_taken(tmp_path: Path) -> None:
    assert asked_of_deals(tmp_path, KEYS[:15])["custom_fields"] == ",".join(KEYS[:15])
    assert "custom_fields" not in asked_of_deals(tmp_path, KEYS)
    assert rows(tmp_path, "deals")[1][KEYS[15]] == "x"


def test_every_page_is_as_large_as_it_may_be(tmp_path: Path) -> None:
    assert asked_of_deals(tmp_path, ["title"])["limit"] == "500"


def test_all_unknown_properties_are_named_at_once_with_what_may_be_meant(tmp_path: Path) -> None:
    with serving(account("deals", [], FIELDS)) as served, pytest.raises(UnknownPropertiesError) as caught:
        run(source("deals", ["title", "tittle", "Field 3", "zzz"]), served.connection, tmp_path)
    told = str(caught.value)
    assert caught.value.unknown == ("tittle", "Field 3", "zzz")
    assert told.startswith("sources/deals.yaml: properties: ")
    assert "'tittle' (did you mean title?)" in told
    assert f"'Field 3' (did you mean {KEYS[3]}" in told
    assert "no field 'zzz'." in told
    assert not (tmp_path / "warehouse.duckdb").exists()


@pytest.mark.parametrize(
    "name",
    sample(
        [name for name, one in BUILT_IN.items() if one.parent is None],
        "deals", "leads", "notes", "activities", "users", "filters", "files", "goals",
    ),
)  # fmt: skip
def test_an_empty_account_makes_an_empty_table_with_every_property(tmp_path: Path, name: str) -> None:
    described = BUILT_IN[name]
    with serving({}) as served:
        report = run(source(name, [prop.key for prop in described.properties]), served.connection, tmp_path)
    assert (report.rows.read, report.rows.current, report.quarantined) == (0, 0, 0)
    assert rows(tmp_path, name) == {}
