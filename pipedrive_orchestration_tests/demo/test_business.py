"""The generated account: the same each time, plausible, and with every awkward record in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.demo.generator import GENERATORS, Business, generate, trends
from pipedrive_orchestration.demo.generator.children import children_at_birth
from pipedrive_orchestration.demo.generator.company import me
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.pipedrive.object_types import CustomFields

NOW = datetime(2026, 11, 21, 9, 30, 15, tzinfo=UTC)
SMALL = 0.02
V2 = ("deals", "persons", "organizations", "activities", "products")
WITH_EDGE_CASES = ("deals", "persons", "organizations")
CREATABLE = {
    *("varchar", "varchar_auto", "text", "double", "monetary", "enum", "set", "user", "org", "people"),
    *("phone", "date", "daterange", "time", "timerange", "address"),
}


@pytest.fixture(scope="module")
def business() -> Business:
    return generate(1, 1, NOW)


@pytest.fixture(scope="module", params=[SMALL, 1])
def any_size(request: pytest.FixtureRequest, business: Business) -> Business:
    return business if request.param == 1 else generate(1, request.param, NOW)


def custom_fields(business: Business, object_type: str, field_type: str) -> list[dict[str, Any]]:
    fields = business.fields[object_type]
    return [f for f in fields if f["is_custom_field"] and f["_active"] and f["field_type"] == field_type]


def values(business: Business, object_type: str, field_type: str) -> Iterator[Any]:
    keys = [field["field_code"] for field in custom_fields(business, object_type, field_type)]
    for record in business[object_type].values():
        yield from (record["custom_fields"][key] for key in keys)


def as_bytes(business: Business) -> bytes:
    everything = [business.collections, business.fields]
    return orjson.dumps(everything, option=orjson.OPT_NON_STR_KEYS)


def test_same_arguments_make_the_same_account_byte_for_byte() -> None:
    assert as_bytes(generate(7, SMALL, NOW)) == as_bytes(generate(7, SMALL, NOW))


def test_the_seed_changes_names_and_keys() -> None:
    one, other = generate(1, SMALL, NOW), generate(2, SMALL, NOW)
    assert {f["field_code"] for f in one.fields["deals"] if f["is_custom_field"]}.isdisjoint(
        f["field_code"] for f in other.fields["deals"]
    )
    assert [p["name"] for p in one["persons"].values()] != [p["name"] for p in other["persons"].values()]


def test_scale_multiplies_what_grows_and_nothing_else(business: Business) -> None:
    half = generate(1, 0.5, NOW)
    volumes = {
        "persons": 4000,
        "organizations": 1500,
        "deals": 3000,
        "activities": 6000,
        "leads": 800,
        "notes": 1500,
    }
    for name, volume in volumes.items():
        assert len(business[name]) == pytest.approx(volume, rel=0.01), name
        assert len(half[name]) == pytest.approx(volume / 2, rel=0.01), name
    for name in ("products", "users", "pipelines", "stages"):
        assert half[name].keys() == business[name].keys()
    assert (len(business["products"]), len(business["users"])) == (60, 12)
    assert [u["active_flag"] for u in business["users"].values()].count(False) == 1


@pytest.mark.parametrize("scale", [0, -1, float("nan")])
def test_a_scale_that_makes_nothing_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="scale must be greater than 0"):
        generate(1, scale, NOW)


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        generate(1, SMALL, NOW.replace(tzinfo=None))


@pytest.mark.parametrize("name", [name for name in BUILT_IN if name in GENERATORS])
def test_records_have_exactly_the_properties_of_the_catalogue(any_size: Business, name: str) -> None:
    object_type = BUILT_IN[name]
    expected = {prop.key for prop in object_type.properties} | object_type.withheld
    # The account finds every record by an id; where that is a name, answers have it once.
    beside = set() if object_type.id_key == "id" else {"id"}
    if object_type.custom_fields is CustomFields.NESTED:
        expected.add("custom_fields")
    for identifier, record in any_size[name].items():
        assert record["id"] == identifier
        keys = {key for key in record if object_type.custom_fields is not CustomFields.FLAT or len(key) < 40}
        assert keys - beside == expected
    assert ("conditions" in record) == (name == "filters")


@pytest.mark.parametrize("object_type", [*WITH_EDGE_CASES, "products"])
def test_custom_fields_are_a_complete_map_without_deleted_fields(
    any_size: Business, object_type: str
) -> None:
    fields = [field for field in any_size.fields[object_type] if field["is_custom_field"]]
    expected = {field["field_code"] for field in fields if field["_active"]}
    for record in any_size[object_type].values():
        assert record["custom_fields"].keys() == expected
    assert all(len(key) == 40 and int(key, 16) for key in expected)


@pytest.mark.parametrize("object_type", WITH_EDGE_CASES)
def test_every_creatable_field_type_is_there_with_and_without_value(
    business: Business, object_type: str
) -> None:
    kinds = {f["field_type"] for f in business.fields[object_type] if f["is_custom_field"]}
    assert kinds == CREATABLE
    for kind in CREATABLE:
        seen = {value is None for value in values(business, object_type, kind)}
        assert seen == {True, False}, kind


SHAPES: dict[str, Any] = {
    "varchar": str,
    "varchar_auto": str,
    "text": str,
    "phone": str,
    "double": (int, float),
    "enum": int,
    "user": int,
    "org": int,
    "people": int,
    "date": str,
    "set": list,
    "monetary": {"value", "currency"},
    "daterange": {"value", "until"},
    "time": {"value", "timezone_id", "timezone_name"},
    "timerange": {"value", "until", "timezone_id", "timezone_name"},
}


@pytest.mark.parametrize("object_type", WITH_EDGE_CASES)
@pytest.mark.parametrize("field_type", SHAPES)
def test_custom_values_have_the_v2_shape_of_their_type(
    business: Business, object_type: str, field_type: str
) -> None:
    shape = SHAPES[field_type]
    for value in values(business, object_type, field_type):
        if value is None:
            continue
        if isinstance(shape, set):
            assert value.keys() == shape
        else:
            assert isinstance(value, shape)
            assert not isinstance(value, bool)


def test_leads_carry_the_deal_fields_flat_and_leave_unset_ones_out(business: Business) -> None:
    types = {
        f["field_code"]: f["field_type"]
        for f in business.fields["deals"]
        if f["is_custom_field"] and f["_active"]
    }
    built_in = {prop.key for prop in BUILT_IN["leads"].properties}
    seen: Counter[str] = Counter()
    for lead in business["leads"].values():
        for key, value in lead.items():
            if key in built_in:
                continue
            hash_key, _, part = key.partition("_")
            assert hash_key in types
            if not part:
                seen[types[hash_key]] += 1
                assert value is not None
                if types[hash_key] in {"enum", "set"}:
                    assert all(option.isdigit() for option in value.split(","))
                if types[hash_key] == "monetary":
                    assert f"{key}_currency" in lead
    assert set(seen) == CREATABLE


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text if text.endswith("Z") else f"{text}+00:00")


@pytest.mark.parametrize("name", [*V2, "leads", "notes", "pipelines", "stages"])
def test_times_run_forward_and_stop_at_now(any_size: Business, name: str) -> None:
    for record in any_size[name].values():
        added = moment(record["add_time"])
        assert NOW - timedelta(days=731) <= added <= NOW
        if name in V2:
            assert added.microsecond == 0
            assert len(record["add_time"]) == len("2026-05-15T09:58:01Z")
        if record["update_time"] is not None:
            assert added <= moment(record["update_time"]) <= NOW


def test_a_deals_times_tell_one_story(any_size: Business) -> None:
    for deal in any_size["deals"].values():
        story = [deal["add_time"], deal["stage_change_time"], deal["close_time"], deal["archive_time"]]
        happened = [time for time in (*story, deal["update_time"]) if time is not None]
        assert happened == sorted(happened), deal
        assert deal["close_time"] == (deal["won_time"] or deal["lost_time"])
        assert not (deal["won_time"] and deal["lost_time"])
        if not deal["is_deleted"]:
            closed = {"won": deal["won_time"], "lost": deal["lost_time"], "open": deal["add_time"]}
            assert closed[deal["status"]] is not None
            assert (deal["status"] == "open") == (deal["close_time"] is None)
        assert deal["is_deleted"] == (deal["status"] == "deleted")
        assert deal["is_archived"] == (deal["archive_time"] is not None)
        assert any_size["stages"][deal["stage_id"]]["pipeline_id"] == deal["pipeline_id"]


def test_deals_are_of_every_status_over_several_pipelines(any_size: Business) -> None:
    statuses = Counter(deal["status"] for deal in any_size["deals"].values())
    assert set(statuses) == {"open", "won", "lost", "deleted"}
    assert len({deal["pipeline_id"] for deal in any_size["deals"].values()}) >= 3
    assert any(deal["is_archived"] for deal in any_size["deals"].values())
    assert any(lead["is_archived"] for lead in any_size["leads"].values())


def test_sales_went_as_the_course_of_the_business_says(business: Business) -> None:
    deals = list(business["deals"].values())
    shares = {}
    for owner in business.owners:
        closed = Counter(deal["status"] for deal in deals if deal["owner_id"] == owner)
        shares[owner] = closed["won"] / (closed["won"] + closed["lost"])
    ranked = sorted(shares, key=lambda owner: shares[owner])
    assert [trends.seller(business, ranked[place]).wins for place in (0, -1)] == [0.17, 0.63]
    lost = Counter(deal["stage_id"] for deal in deals if deal["status"] == "lost")
    assert business["stages"][lost.most_common(1)[0][0]]["name"] == "Permit & grid"
    begun = Counter(deal["add_time"][5:7] for deal in deals)
    assert begun["04"] + begun["05"] > 2 * (begun["12"] + begun["01"])
    for is_changed in (trends.was_in_pounds, trends.was_handed_over):
        assert sum(is_changed(business, deal) for deal in deals) > 10
    handed = next(deal for deal in deals if trends.was_handed_over(business, deal))
    told = children_at_birth(business, "deal_changes", handed["id"])
    assert ("pipeline", "2", "3") in {(one["field_key"], one["old_value"], one["new_value"]) for one in told}


def test_the_planted_mistakes_are_there(any_size: Business) -> None:
    b, defects = any_size, any_size.defects
    assert all(defects.values())
    found = {
        "deal_without_value": [d for d in b["deals"].values() if d["status"] == "open" and not d["value"]],
        "deal_without_contact": [
            d for d in b["deals"].values() if d["status"] == "open" and not (d["person_id"] or d["org_id"])
        ],
        "deal_of_deactivated_owner": [
            d for d in b["deals"].values()
            if d["status"] == "open" and not b["users"][d["owner_id"]]["active_flag"]
        ],
        "person_without_email_and_phone": [
            p for p in b["persons"].values() if not (p["emails"] or p["phones"])
        ],
    }  # fmt: skip
    for rule, records in found.items():
        assert set(defects[rule]) <= {record["id"] for record in records}, rule
    assert len({str(b["persons"][key]["emails"][0]) for key in defects["same_email"]}) == 1
    names = {b["organizations"][key]["name"].strip().lower() for key in defects["same_organization_name"]}
    assert len(names) == 1
    assert len(defects["same_organization_name"]) == len(defects["same_email"]) == 2


@pytest.mark.parametrize("name", V2)
def test_deleted_records_are_younger_than_the_purge(any_size: Business, name: str) -> None:
    deleted = [record for record in any_size[name].values() if record["is_deleted"]]
    assert deleted
    assert all(moment(record["update_time"]) > NOW - timedelta(days=30) for record in deleted)


def test_references_point_to_records_that_were_there_before(any_size: Business) -> None:
    b = any_size
    assert all(p["org_id"] is None or p["org_id"] in b["organizations"] for p in b["persons"].values())
    for name in (*V2, "leads"):
        assert all(record["owner_id"] in b["users"] for record in b[name].values())
    for activity in b["activities"].values():
        deal = b["deals"].get(activity["deal_id"])
        assert (deal is None) == (activity["deal_id"] is None)
        assert deal is None or deal["add_time"] <= activity["add_time"]
        assert activity["lead_id"] is None or activity["lead_id"] in b["leads"]
        assert activity["type"] in {kind["key_string"] for kind in b["activity_types"].values()}
    dangling = [
        d for d in b["deals"].values() if d["person_id"] is not None and d["person_id"] not in b["persons"]
    ]
    assert 0 < len(dangling) <= 3
    assert all(lead["person_id"] or lead["organization_id"] for lead in b["leads"].values())


def test_counts_agree_with_what_is_linked(any_size: Business) -> None:
    b = any_size
    listed = [d for d in b["deals"].values() if not d["is_deleted"] and not d["is_archived"]]
    open_deals = Counter(d["person_id"] for d in listed if d["status"] == "open")
    won_deals = Counter(d["org_id"] for d in listed if d["status"] == "won")
    activities = [a for a in b["activities"].values() if not a["is_deleted"]]
    of_deals = Counter(a["deal_id"] for a in activities)
    people = Counter(p["org_id"] for p in b["persons"].values() if not p["is_deleted"])
    notes = Counter(n["deal_id"] for n in b["notes"].values() if n["active_flag"])
    assert all(p["open_deals_count"] == open_deals[p["id"]] for p in b["persons"].values())
    assert all(o["won_deals_count"] == won_deals[o["id"]] for o in b["organizations"].values())
    assert all(o["people_count"] == people[o["id"]] for o in b["organizations"].values())
    for deal in b["deals"].values():
        assert deal["activities_count"] == of_deals[deal["id"]]
        assert deal["notes_count"] == notes[deal["id"]]
        upcoming = b["activities"].get(deal["next_activity_id"])
        assert (upcoming is None) == (deal["undone_activities_count"] == 0)
        assert upcoming is None or (upcoming["deal_id"] == deal["id"] and not upcoming["done"])


@pytest.mark.parametrize("name", ["deals", "persons", "organizations", "activities"])
def test_some_records_have_no_update_time(any_size: Business, name: str) -> None:
    without = [record for record in any_size[name].values() if record["update_time"] is None]
    assert 1 <= len(without) <= 4
    assert not any(record["is_deleted"] for record in without)


def test_a_bulk_import_shares_one_second(any_size: Business, business: Business) -> None:
    for name, most in (("persons", 600), ("organizations", 200), ("deals", 250)):
        seconds = Counter(record["add_time"] for record in any_size[name].values())
        share = most if any_size is business else 5
        assert seconds.most_common(1)[0][1] >= share, name
    update_times = Counter(person["update_time"] for person in business["persons"].values())
    assert update_times.most_common(1)[0][1] > 500, "more than a page of persons in one second"


def test_names_come_in_many_scripts_and_with_hostile_characters(any_size: Business) -> None:
    names = "|".join(p["name"] for p in any_size["persons"].values())
    companies = "|".join(o["name"] for o in any_size["organizations"].values())
    for text in (names, companies):
        assert any("\u0590" <= character <= "\u06ff" for character in text), "right to left"
        assert any("\u4e00" <= character <= "\u9fff" for character in text), "CJK"
        assert any(character > "\U0001f000" for character in text), "emoji"
        assert '"' in text
    assert "\n" in names
    assert "'" in names
    assert any(p["last_name"] is None for p in any_size["persons"].values())


def test_contacts_have_no_one_and_several_addresses(any_size: Business) -> None:
    for key in ("emails", "phones"):
        assert {0, 1, 2} <= {len(person[key]) for person in any_size["persons"].values()}
        for person in any_size["persons"].values():
            assert [entry["primary"] for entry in person[key]].count(True) == (1 if person[key] else 0)
    assert any(len(person["emails"]) > 2 for person in any_size["persons"].values())


@pytest.mark.parametrize("object_type", WITH_EDGE_CASES)
def test_labels_collide_in_every_way(any_size: Business, object_type: str) -> None:
    fields = [field for field in any_size.fields[object_type] if field["_active"]]
    custom = Counter(field["field_name"] for field in fields if field["is_custom_field"])
    built_in = {field["field_name"] for field in fields if not field["is_custom_field"]}
    assert max(custom.values()) == 2
    assert any(label in built_in for label in custom)
    assert len({label.lower() for label in custom}) < len(custom)
    assert any(not field["_active"] for field in any_size.fields[object_type])


@pytest.mark.parametrize("object_type", WITH_EDGE_CASES)
def test_values_still_hold_options_that_were_deleted(any_size: Business, object_type: str) -> None:
    (enum, *_), (multiple, *_) = (custom_fields(any_size, object_type, kind) for kind in ("enum", "set"))
    records = any_size[object_type].values()
    deleted = {option["id"] for option in enum["_options_deleted"]}
    assert deleted.isdisjoint(option["id"] for option in enum["options"])
    assert any(record["custom_fields"][enum["field_code"]] in deleted for record in records)
    gone = {option["id"] for option in multiple["_options_deleted"]}
    assert any(gone & set(record["custom_fields"][multiple["field_code"]] or ()) for record in records)
    labels = {option["label"] for field in (enum, multiple) for option in field["options"]}
    assert any("," in label for label in labels)


def test_option_labels_contain_quotes(any_size: Business) -> None:
    labels = [
        o["label"]
        for f in (*any_size.fields["deals"], *any_size.fields["persons"])
        for o in f["options"] or ()
    ]
    assert any('"' in label for label in labels)


@pytest.mark.parametrize("object_type", WITH_EDGE_CASES)
def test_custom_values_reach_the_limits_of_their_types(any_size: Business, object_type: str) -> None:
    numbers = [value for value in values(any_size, object_type, "double") if value is not None]
    assert 0 in numbers
    assert min(numbers) < 0
    assert max(numbers) > 2**52
    money = [value for value in values(any_size, object_type, "monetary") if value is not None]
    assert any(value["currency"] is None for value in money)
    assert any(value["value"] < 0 for value in money)
    texts = [value for value in values(any_size, object_type, "text") if value]
    assert max(map(len, texts)) > 50_000
    assert any("\r\n" in text and '"' in text for text in texts)
    assert max(len(value) for value in values(any_size, object_type, "varchar") if value) == 255
    assert any(not any(r["custom_fields"].values()) for r in any_size[object_type].values())


def test_deals_have_odd_amounts_and_closing_dates_ahead(any_size: Business) -> None:
    amounts = [deal["value"] for deal in any_size["deals"].values()]
    assert min(amounts) < 0
    assert 0 in amounts
    assert max(amounts) > 2**52
    assert any((d["expected_close_date"] or "") > NOW.date().isoformat() for d in any_size["deals"].values())
    assert any(d["person_id"] is None and d["org_id"] is None for d in any_size["deals"].values())


def test_activities_come_with_and_without_times(any_size: Business) -> None:
    lengths = {len(activity["due_time"] or "") for activity in any_size["activities"].values()}
    assert lengths == {0, 5, 8}
    assert any(activity["due_date"] is None for activity in any_size["activities"].values())
    assert {True, False} == {activity["done"] for activity in any_size["activities"].values()}


def test_products_are_priced_in_several_currencies(any_size: Business) -> None:
    assert (
        len({price["currency"] for product in any_size["products"].values() for price in product["prices"]})
        >= 4
    )
    assert max(len(product["prices"]) for product in any_size["products"].values()) >= 4


def test_fields_list_the_properties_and_numeric_ids_are_unique(business: Business) -> None:
    ids: list[int] = []
    for object_type in V2:
        fields = business.fields[object_type]
        ids += [field["_id"] for field in fields]
        built_in = {field["field_code"]: field for field in fields if not field["is_custom_field"]}
        properties = {prop.key: prop for prop in BUILT_IN[object_type].properties}
        assert built_in.keys() == properties.keys()
        for key, field in built_in.items():
            assert field["is_optional_response_field"] == properties[key].optional
    assert len(ids) == len(set(ids))


def test_filters_name_fields_by_their_numeric_ids(business: Business) -> None:
    ids = {str(field["_id"]) for object_type in (*V2, "projects") for field in business.fields[object_type]}
    for entry in business["filters"].values():
        for group in entry["conditions"]["conditions"]:
            assert all(condition["field_id"] in ids for condition in group["conditions"])


def test_the_owner_of_the_token_is_one_of_the_users(business: Business) -> None:
    owner = me(business)
    assert owner.items() >= business["users"][owner["id"]].items()
    assert owner["company_domain"] == "brightfield-solar"
    assert [user["is_you"] for user in business["users"].values()].count(True) == 1


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    scale=st.floats(1e-6, 0.05),
    now=st.integers(1_640_000_000, 2_050_000_000).map(lambda second: datetime.fromtimestamp(second, UTC)),
)
def test_any_seed_scale_and_time_make_an_account_with_its_edge_cases(
    seed: int, scale: float, now: datetime
) -> None:
    business = generate(seed, scale, now)
    latest = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    for name in ("deals", "persons", "organizations", "activities"):
        records = business[name].values()
        assert len(records) >= 40
        assert any(record["update_time"] is None for record in records)
        assert all(record["add_time"] <= (record["update_time"] or latest) <= latest for record in records)
        assert any(record["is_deleted"] for record in records)
    assert any(deal["is_archived"] for deal in business["deals"].values())
    assert any(
        deal["person_id"] and deal["person_id"] not in business["persons"]
        for deal in business["deals"].values()
    )
    assert {deal["status"] for deal in business["deals"].values()} >= {"open", "deleted"}
