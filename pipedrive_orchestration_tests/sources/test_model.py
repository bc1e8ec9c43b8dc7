from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.sources import InvalidBodyError, Source, SourceBody, is_expired
from pipedrive_orchestration_tests.sources.bodies import active_body, static_body


def problems(body: Any, created_on: date | None = None) -> dict[str, str]:
    """Code by field of everything that is wrong with a body."""
    try:
        SourceBody.parse(body, created_on=created_on)
    except InvalidBodyError as error:
        found = error.problems
    else:
        return {}
    assert len({problem.field for problem in found}) == len(found)
    return {problem.field: problem.code for problem in found}


def messages(body: Any) -> str:
    with pytest.raises(InvalidBodyError) as caught:
        SourceBody.parse(body)
    return str(caught.value)


def test_the_full_body_is_read_as_written() -> None:
    body = SourceBody.parse(
        active_body(
            properties_metadata=[
                {"name": "title", "label": "Title"},
                {"value": "value", "label": "Amount", "extras": {"field_type": "double"}},
            ],
            filters={
                "operator": "and",
                "conditions": [
                    {
                        "operator": "OR",
                        "conditions": [{"variable": "status", "values": ["open", 1, 2.5, True]}],
                    },
                    {"variable": "add_time", "condition": "after", "value": date(2026, 1, 31)},
                ],
            },
            expiration_date="2027-12-31",
            pull_existing=False,
            options={"partitions": "weekly", "partitions_start": "2024-02", "include_archived": True},
        )
    )
    assert body.labels == {"title": "Title", "value": "Amount"}
    assert body.type is BUILT_IN["deals"]
    assert body.expiration_date == date(2027, 12, 31)
    assert body.filters is not None
    assert body.filters.model_dump(exclude_unset=True) == {
        "operator": "AND",
        "conditions": (
            {"operator": "OR", "conditions": ({"variable": "status", "values": ("open", 1, 2.5, True)},)},
            {"variable": "add_time", "condition": "after", "value": "2026-01-31"},
        ),
    }


def test_every_problem_is_reported_at_once() -> None:
    body = {
        "nme": "x",
        "name": "  ",
        "object_type": "dealz",
        "properties": [],
        "properties_metadata": [{"name": "title"}, {"value": "x", "label": "X", "extra": {}}],
        "filters": {
            "conditions": [
                {
                    "conditions": [
                        {"variabel": "x"},
                        {"variable": "status", "values": [None, float("nan"), [1]]},
                        5,
                    ]
                }
            ]
        },
        "pull_mode": "activ",
        "schedule": "* * *",
        "expiration_date": "2027-02-30",
        "pull_existing": "yes",
        "options": {"partition": "daily", "partitions_start": "2024-13", "owners": ["me"]},
    }
    assert problems(body) == {
        "nme": "unknown_field",
        "name": "blank",
        "object_type": "unknown_object_type",
        "properties": "empty",
        "properties_metadata[0].label": "missing",
        "properties_metadata[1].extra": "unknown_field",
        "filters.conditions[0].conditions[0].variable": "missing",
        "filters.conditions[0].conditions[0].variabel": "unknown_field",
        "filters.conditions[0].conditions[0].values": "wrong_number_of_values",
        "filters.conditions[0].conditions[1].values[0]": "scalar_type",
        "filters.conditions[0].conditions[1].values[1]": "finite_number",
        "filters.conditions[0].conditions[1].values[2]": "scalar_type",
        "filters.conditions[0].conditions[2]": "mapping_type",
        "pull_mode": "literal_error",
        "schedule": "invalid_schedule",
        "expiration_date": "invalid_date",
        "pull_existing": "bool_type",
        "options.partition": "unknown_field",
        "options.partitions_start": "invalid_month",
        "options.owners[0]": "invalid_owner",
    }


@pytest.mark.parametrize("body", [None, 3, "name: x", [active_body()]])
def test_what_is_no_mapping_is_one_problem(body: Any) -> None:
    assert problems(body) == {"": "not_a_mapping"}


def test_an_empty_body_lists_what_is_required() -> None:
    assert problems({}) == dict.fromkeys(("name", "object_type", "properties", "pull_mode"), "missing")


def test_null_counts_as_absent() -> None:
    assert problems(active_body(name=None, filters=None, options=None, pull_existing=None)) == {
        "name": "missing"
    }


@pytest.mark.parametrize(
    ("written", "meant"), [("dealz", "deals"), ("activityTypes", "activity_types"), ("person", "persons")]
)
def test_an_unknown_object_type_lists_its_near_matches(written: str, meant: str) -> None:
    assert f"Did you mean `{meant}`" in messages(active_body(object_type=written))


def test_an_unknown_field_lists_the_near_matches_of_its_own_place() -> None:
    assert "Did you mean `schedule`?" in messages(active_body(schedul="x"))
    assert "Did you mean `partitions" in messages(active_body(options={"partition": "daily"}))
    assert "Did you mean `conditions`" in messages(active_body(filters={"condition": []}))


def test_braces_in_a_value_come_through_the_message() -> None:
    assert "`{loc}`" in messages(active_body(object_type="{loc}"))


def test_duplicate_properties_collapse_in_order() -> None:
    body = SourceBody.parse(active_body(properties=["value", " title ", "value", "title", "status"]))
    assert body.properties == ("value", "title", "status")


def test_a_property_is_refused_for_its_form_only() -> None:
    assert problems(active_body(properties=["anything_newer", 5, " "])) == {
        "properties[1]": "string_type",
        "properties[2]": "blank",
    }


def test_an_active_source_needs_a_schedule_and_a_static_one_ignores_it() -> None:
    assert problems(static_body(pull_mode="active")) == {"schedule": "missing"}
    body = SourceBody.parse(static_body(schedule="not a cron", expiration_date="2000-01-01"))
    assert body.schedule is None
    assert body.expiration_date is None


@pytest.mark.parametrize(
    "written",
    ["2027-02-30", "31.12.2027", "20271231", "2027-W01-1", 2027, datetime(2027, 1, 1, tzinfo=UTC), ""],
)
def test_an_expiration_date_is_a_real_date(written: Any) -> None:
    assert problems(active_body(expiration_date=written)) == {"expiration_date": "invalid_date"}


def test_an_expiration_date_may_be_past_unless_the_source_is_being_created() -> None:
    body = active_body(expiration_date=date(2026, 5, 4))
    assert problems(body) == {}
    assert problems(body, created_on=date(2026, 5, 4)) == {}
    assert problems(body, created_on=date(2026, 5, 5)) == {"expiration_date": "date_in_the_past"}


def test_the_last_day_is_inclusive_in_utc() -> None:
    identity = {
        "slug": "x",
        "id": "50f2de20-c9dc-5dbb-b41b-2cff29c164f0",
        "created_at": "2026-01-01T00:00:00Z",
    }
    source = Source.parse(active_body(expiration_date="2028-02-29") | identity)
    assert not is_expired(source, datetime.fromisoformat("2028-02-29T23:59:59+00:00"))
    assert not is_expired(source, datetime.fromisoformat("2028-03-01T01:59:59+02:00"))
    assert is_expired(source, datetime.fromisoformat("2028-03-01T00:00:00+00:00"))
    assert is_expired(source, datetime.fromisoformat("2028-02-29T20:00:00-05:00"))


def test_an_archive_is_asked_for_only_where_there_is_one() -> None:
    options = {"include_archived": True}
    assert problems(active_body(object_type="leads", options=options)) == {}
    assert problems(active_body(object_type="persons", options=options)) == {"options": "no_archive"}


@pytest.mark.parametrize("levels", [3, 100, 3000])
def test_a_filter_nests_two_levels_deep(levels: int) -> None:
    innermost: dict[str, Any] = {}
    filters = innermost
    for _ in range(levels):
        filters = {"conditions": [filters]}
    assert problems(active_body(filters=filters)) == {"filters.conditions[0].conditions[0]": "too_deep"}
    assert problems(active_body(filters={"conditions": [innermost]})) == {}


def test_a_filter_that_contains_itself_is_refused() -> None:
    filters: dict[str, Any] = {}
    filters["conditions"] = [filters]
    assert problems(active_body(filters=filters)) == {"filters.conditions[0].conditions[0]": "too_deep"}


NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1).filter(str.strip)
VALUES = st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES


def leaves(conditions: list[str], least: int, most: int) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "variable": NAMES,
            "condition": st.sampled_from(conditions),
            "values": st.lists(VALUES, min_size=least, max_size=most),
        },
        optional={"case_sensitive": st.booleans(), "operator": st.just("and")},
    )


LEAVES = leaves(["equals", "NOT_IN", "is-any-of"], 1, 3) | leaves(["is between"], 2, 2) | leaves([">="], 1, 1)
JOINERS = st.sampled_from(["AND", "OR"])
GROUPS = st.fixed_dictionaries({"operator": JOINERS, "conditions": st.lists(LEAVES, max_size=3)})
FILTERS = st.fixed_dictionaries({"conditions": st.lists(GROUPS | LEAVES, max_size=3)})
BODIES = st.fixed_dictionaries(
    {
        "name": NAMES,
        "object_type": st.sampled_from(sorted(BUILT_IN)),
        "properties": st.lists(NAMES, min_size=1, max_size=4),
        "pull_mode": st.just("active"),
        "schedule": st.sampled_from(["@daily", "5 4 * * *"]),
    },
    optional={
        "filters": FILTERS,
        "expiration_date": st.dates().map(str),
        "pull_existing": st.booleans(),
        "options": st.fixed_dictionaries({}, optional={"history": st.booleans()}),
        "properties_metadata": st.lists(st.fixed_dictionaries({"name": NAMES, "label": NAMES}), max_size=2),
    },
)


@given(BODIES)
def test_a_valid_body_survives_json(body: dict[str, Any]) -> None:
    parsed = SourceBody.parse(body)
    assert SourceBody.parse(parsed.model_dump(mode="json")) == parsed
    assert SourceBody.model_validate_json(parsed.model_dump_json()) == parsed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@given(BODIES, st.sampled_from(sorted(SourceBody.model_fields)), JSON)
def test_anything_in_any_field_is_read_or_refused_with_its_path(
    body: dict[str, Any], field: str, value: Any
) -> None:
    for path in problems(body | {field: value}):
        assert path.split(".")[0].split("[")[0] in {field, "schedule", "options"}
