"""Every field type: the value that fits, none, and one that does not, in v2 records and in v1 leads."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest

from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration_tests.importing.accounts import UPDATED, account, deal, field, options
from pipedrive_orchestration_tests.importing.canned import serving
from pipedrive_orchestration_tests.importing.imports import quarantine, query, rows, run, source

LATER = "2026-01-02T03:04:06Z"
LEAD = "adf21080-0e10-11eb-879b-05d71fb426ec"
PLACE = ["value", "subpremise", "street_number", "route", "sublocality", "locality"]
AREA = ["admin_area_level_1", "admin_area_level_2", "country", "postal_code", "formatted_address"]
EMPTY_ADDRESS = dict.fromkeys([*PLACE, *AREA])
LONDON = {"timezone_id": 17, "timezone_name": "Europe/London"}

# Field type: SQL type, what v2 writes, what lands, what does not fit.
NESTED: dict[str, tuple[str, Any, Any, Any]] = {
    "int": ("BIGINT", 9007199254740993, 9007199254740993, 1.5),
    "double": ("DOUBLE", 12.25, 12.25, "twelve"),
    "boolean": ("BOOLEAN", True, True, 2),
    "date": ("DATE", "2024-02-29", date(2024, 2, 29), "2023-02-29"),
    "enum": ("BIGINT", 7, 7, "hot"),
    "set": ("BIGINT[]", [7, 8], [7, 8], [7, "hot"]),
    "user": ("BIGINT", 5, 5, "me"),
    "org": ("BIGINT", 5, 5, 5.5),
    "people": ("BIGINT", 5, 5, {"name": "no id"}),
    "deal": ("BIGINT", 5, 5, [5]),
    "stage": ("BIGINT", 5, 5, "x"),
    "pipeline": ("BIGINT", 5, 5, "x"),
    "project": ("BIGINT", 5, 5, "x"),
    "product": ("BIGINT", 5, 5, "x"),
    "activity": ("BIGINT", 5, 5, "x"),
    "projects_board": ("BIGINT", 5, 5, "x"),
    "projects_phase": ("BIGINT", 5, 5, "x"),
    "deals": ("BIGINT[]", [7, 8], [7, 8], [7, "hot"]),
    "lead": ("UUID", LEAD, uuid.UUID(LEAD), "abc-def"),
    "monetary": (
        'STRUCT("value" DOUBLE, currency VARCHAR)',
        {"value": 500, "currency": "USD"},
        {"value": 500.0, "currency": "USD"},
        {"value": "much", "currency": "USD"},
    ),
    "daterange": (
        'STRUCT("value" DATE, "until" DATE)',
        {"value": "2024-01-01", "until": "2024-02-01"},
        {"value": date(2024, 1, 1), "until": date(2024, 2, 1)},
        {"value": "2024-01-01", "until": "2024-13-01"},
    ),
    "time": (
        'STRUCT("value" TIME, timezone_id BIGINT, timezone_name VARCHAR)',
        {"value": "09:00:00", **LONDON},
        {"value": time(9), **LONDON},
        {"value": "25:61", **LONDON},
    ),
    "timerange": (
        'STRUCT("value" TIME, "until" TIME, timezone_id BIGINT, timezone_name VARCHAR)',
        {"value": "09:00:00", "until": "17:30:00", **LONDON},
        {"value": time(9), "until": time(17, 30), **LONDON},
        {"value": "09:00:00", "until": "late", **LONDON},
    ),
    "address": (
        "STRUCT(" + ", ".join(f'"{part}" VARCHAR' for part in EMPTY_ADDRESS) + ")",
        {"value": "1 Main St", "country": "USA"},
        EMPTY_ADDRESS | {"value": "1 Main St", "country": "USA"},
        "1 Main St",
    ),
}
TEXTS = ["varchar", "varchar_auto", "text", "phone", "varchar_options", "price_list"]
FIELDS = [
    *(
        field(kind, kind, options=options(_7="Hot", _8="Cold") if kind in ("enum", "set") else None)
        for kind in NESTED
    ),
    *(field(kind, kind) for kind in TEXTS),
    field("json", "json"),
    field("of_the_future", "hologram"),
]
KEYS = [listed["field_code"] for listed in FIELDS]


@pytest.fixture(scope="module")
def deals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Deals imported with values that fit (1), null (2), none at all (3) and values that do not fit (4)."""
    folder = tmp_path_factory.mktemp("types")
    fitting = {kind: written for kind, (_, written, _, _) in NESTED.items()}
    fitting |= dict.fromkeys(TEXTS, "any text") | {"json": {"a": [1, None]}, "of_the_future": [True, "x"]}
    found = [
        deal(1, fitting),
        deal(2, dict.fromkeys(KEYS)),
        deal(3, {}),
        deal(4, {kind: unfit for kind, (_, _, _, unfit) in NESTED.items()}),
    ]
    with serving(account("deals", found, FIELDS)) as served:
        report = run(source("deals", KEYS), served.connection, folder)
    assert {key for _, key, _ in quarantine(folder)} == set(NESTED)
    assert report.quarantined == len(NESTED)
    return folder


@pytest.mark.parametrize("kind", NESTED)
def test_a_value_that_fits_lands_typed(deals: Path, kind: str) -> None:
    sql_type, _, lands, _ = NESTED[kind]
    ((declared, same),) = query(
        deals,
        f'SELECT typeof("{kind}"), typeof("{kind}") = typeof(NULL::{sql_type}) FROM pipedrive.deals LIMIT 1',
    )
    assert same, declared
    value = rows(deals, "deals")[1][kind]
    assert value == lands
    assert type(value) is type(lands)


@pytest.mark.parametrize("kind", TEXTS)
def test_texts_are_texts(deals: Path, kind: str) -> None:
    assert query(deals, f'SELECT typeof("{kind}"), "{kind}" FROM pipedrive.deals WHERE _id = 1') == [
        ("VARCHAR", "any text")
    ]


def test_what_has_no_better_type_is_json(deals: Path) -> None:
    assert query(
        deals,
        'SELECT typeof("json"), "json", typeof(of_the_future), of_the_future '
        "FROM pipedrive.deals WHERE _id = 1",
    ) == [("JSON", '{"a":[1,null]}', "JSON", '[true,"x"]')]


@pytest.mark.parametrize("number", [2, 3])
def test_null_and_absent_values_are_null(deals: Path, number: int) -> None:
    row = rows(deals, "deals")[number]
    assert {key: row[key] for key in KEYS} == dict.fromkeys(KEYS)


@pytest.mark.parametrize("kind", NESTED)
def test_a_value_that_does_not_fit_keeps_its_record_and_is_set_aside(deals: Path, kind: str) -> None:
    assert rows(deals, "deals")[4][kind] is None
    ((number, value, declared, reason),) = query(
        deals,
        "SELECT record_id, value, field_type, reason FROM import_ledger.quarantine WHERE property = ?",
        kind,
    )
    assert (number, json.loads(value), declared) == ("4", NESTED[kind][3], kind)
    assert kind in reason


def test_quarantine_empties_when_the_record_comes_again_with_values_that_fit(tmp_path: Path) -> None:
    what = source("deals", KEYS)
    unfit = {kind: unfit for kind, (_, _, _, unfit) in NESTED.items()}
    with serving(account("deals", [deal(1, unfit), deal(2, {"int": "x"})], FIELDS)) as served:
        run(what, served.connection, tmp_path)
        run(what, served.connection, tmp_path)
    assert len(quarantine(tmp_path)) == len(NESTED) + 1
    fitting = {kind: written for kind, (_, written, _, _) in NESTED.items()}
    found = [deal(1, fitting, update_time=LATER), deal(2, {"int": "x"})]
    with serving(account("deals", found, FIELDS)) as served:
        run(what, served.connection, tmp_path)
    assert rows(tmp_path, "deals")[1]["daterange"] == NESTED["daterange"][2]
    assert quarantine(tmp_path) == [("2", "int", '"x"')]


# v1 leads keep custom values flat: what they write, what lands, and what does not fit.
FLAT: dict[str, tuple[dict[str, Any], Any, dict[str, Any]]] = {
    "text": ({"text": "words"}, "words", {}),
    "double": ({"double": 2.5}, 2.5, {"double": []}),
    "enum": ({"enum": "7"}, 7, {"enum": "hot"}),
    "set": ({"set": "7,8"}, [7, 8], {"set": "7,hot"}),
    "user": ({"user": {"id": 5, "value": 5, "name": "Ann"}}, 5, {"user": {"name": "Ann"}}),
    "date": ({"date": "2024-01-01"}, date(2024, 1, 1), {"date": "soon"}),
    "monetary": (
        {"monetary": 500, "monetary_currency": "EUR"},
        {"value": 500.0, "currency": "EUR"},
        {"monetary": "much", "monetary_currency": "EUR"},
    ),
    "daterange": (
        {"daterange": "2024-01-01", "daterange_until": "2024-02-01"},
        {"value": date(2024, 1, 1), "until": date(2024, 2, 1)},
        {"daterange": "2024-01-01", "daterange_until": "never"},
    ),
    "time": (
        {"time": "09:00:00", "time_timezone_id": 17},
        {"value": time(9), "timezone_id": 17, "timezone_name": None},
        {"time": "nine", "time_timezone_id": 17},
    ),
    "timerange": (
        {"timerange": "09:00:00", "timerange_until": "10:00:00", "timerange_timezone_id": 17},
        {"value": time(9), "until": time(10), "timezone_id": 17, "timezone_name": None},
        {"timerange": "09:00:00", "timerange_until": "10:00:00", "timerange_timezone_id": "London"},
    ),
    "address": (
        {"address": "1 Main St", "address_locality": "Riga", "address_postal_code": "LV-1"},
        EMPTY_ADDRESS | {"value": "1 Main St", "locality": "Riga", "postal_code": "LV-1"},
        {"address": ["1 Main St"]},
    ),
}


def test_leads_carry_custom_values_flat(tmp_path: Path) -> None:
    ids = [LEAD[:-1] + digit for digit in "012"]
    fitting = {key: value for written, _, _ in FLAT.values() for key, value in written.items()}
    unfit = {key: value for _, _, written in FLAT.values() for key, value in written.items()}
    found = [{"id": lead, "title": "Lead", "update_time": "2026-01-02T03:04:05.678Z"} for lead in ids]
    fields = [
        field(kind, kind, options=options(_7="Hot") if kind in ("enum", "set") else None) for kind in FLAT
    ]
    what = source("leads", ["title", *FLAT])
    with serving(account("leads", [found[0] | fitting, found[1], found[2] | unfit], fields)) as served:
        run(what, served.connection, tmp_path)
    landed = {str(lead): row for lead, row in rows(tmp_path, "leads").items()}
    assert {kind: landed[ids[0]][kind] for kind in FLAT} == {
        kind: lands for kind, (_, lands, _) in FLAT.items()
    }
    assert {kind: landed[ids[1]][kind] for kind in FLAT} == dict.fromkeys(FLAT)
    assert {kind: landed[ids[2]][kind] for kind in FLAT} == dict.fromkeys(FLAT)
    set_aside = {key: json.loads(value) for lead, key, value in quarantine(tmp_path) if lead == ids[2]}
    assert set(set_aside) == {kind for kind, (_, _, written) in FLAT.items() if written}
    assert set_aside["monetary"] == {"monetary": "much", "monetary_currency": "EUR"}
    assert set_aside["daterange"] == {"daterange": "2024-01-01", "daterange_until": "never"}


def test_built_in_shapes_that_field_types_do_not_name(tmp_path: Path) -> None:
    person = {"id": 1, "update_time": UPDATED, "label_ids": [1, 2], "birthday": "2000-12-31"}
    person |= {"visible_to": "3", "is_deleted": 0}
    person |= {"emails": [{"value": "a@b.c", "primary": True, "label": "work"}, {"value": "d@e.f"}]}
    odd = {"id": 2, "update_time": UPDATED, "emails": "a@b.c", "phones": ["1"], "label_ids": {"id": 1}}
    odd |= {"visible_to": "everyone", "birthday": 5, "is_deleted": "nobody knows"}
    keys = ["emails", "phones", "label_ids", "birthday", "visible_to", "is_deleted"]
    with serving(account("persons", [person, odd, {"id": 3, "emails": [], "phones": ""}])) as served:
        run(source("persons", keys), served.connection, tmp_path)
    landed = rows(tmp_path, "persons")
    assert landed[1]["emails"] == [
        {"value": "a@b.c", "label": "work", "primary": True},
        {"value": "d@e.f", "label": None, "primary": None},
    ]
    assert (landed[1]["label_ids"], landed[1]["birthday"]) == ([1, 2], date(2000, 12, 31))
    assert (landed[1]["visible_to"], landed[1]["is_deleted"]) == (3, False)
    assert (landed[3]["emails"], landed[3]["phones"]) == ([], None)
    assert {key: landed[2][key] for key in keys} == dict.fromkeys(keys)
    assert {key for _, key, _ in quarantine(tmp_path)} == set(keys)


def test_leads_have_an_amount_and_lists_of_uuids(tmp_path: Path) -> None:
    lead = {"id": LEAD, "update_time": "2026-01-02T03:04:05.678Z", "label_ids": [LEAD], "visible_to": "3"}
    with serving(account("leads", [lead | {"value": {"amount": 9.5, "currency": "EUR"}}])) as served:
        run(source("leads", ["value", "label_ids", "visible_to"]), served.connection, tmp_path)
    (row,) = rows(tmp_path, "leads").values()
    assert (row["value"], row["label_ids"]) == ({"value": 9.5, "currency": "EUR"}, [uuid.UUID(LEAD)])
    assert row["visible_to"] == 3
    assert row["_update_time"] == datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


def test_every_field_type_of_the_catalogue_has_a_column_type() -> None:
    untyped = {"json"}
    types = {prop.field_type for described in BUILT_IN.values() for prop in described.properties}
    shapes = {"visible_to", "status", "datetime", "uuid", "uuids", "ids", "contacts", "amount", "clock"}
    shapes |= {"role", "task", "persons", "orgs", "users", "texts", "billing_frequency"}
    assert types - untyped - shapes <= set(NESTED) | set(TEXTS)
