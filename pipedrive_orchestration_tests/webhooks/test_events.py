"""What a payload says: the event, and the record as a list would show it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipedrive_orchestration.webhooks.events import OBJECTS, UnusableEventError, parse, record_of
from pipedrive_orchestration_tests.webhooks.payloads import encoded, payload

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(("entity", "object_type"), OBJECTS.items())
@pytest.mark.parametrize("action", ["create", "change", "delete"])
def test_every_object_and_action_is_understood(entity: str, object_type: str, action: str) -> None:
    event = parse(encoded(payload(entity, action)))
    assert (event.object_type, event.action, event.record_id) == (object_type, action, "7")
    assert event.is_removal == (action == "delete")


@pytest.mark.parametrize(
    "timestamp", ["2026-05-20T10:00:00Z", "2026-05-20T10:00:00.000Z", "1779271200", 1779271200, 1779271200000]
)
def test_instants_are_read_in_every_way_that_they_are_written(timestamp: Any) -> None:
    assert parse(encoded(payload(timestamp=timestamp))).at == datetime(2026, 5, 20, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[1]",
        b"not json",
        b'{"current": {}, "previous": null, "event": "updated.deal"}',
        encoded(payload("filter")),
        encoded(payload(action="explode")),
        encoded(payload(timestamp="soon")),
        encoded(payload() | {"data": None}),
    ],
)
def test_what_is_no_event_that_we_know_is_refused_without_its_content(content: bytes) -> None:
    with pytest.raises(UnusableEventError) as refused:
        parse(content)
    assert "explode" not in str(refused.value)


@given(JSON | JSON.map(lambda meta: {"meta": meta, "data": {}}))
def test_no_json_is_too_odd_to_be_refused(body: Any) -> None:
    try:
        event = parse(orjson.dumps(body, option=orjson.OPT_PASSTHROUGH_DATACLASS))
    except UnusableEventError:
        return
    assert event.object_type in OBJECTS.values()


CUSTOM = {
    "a" * 40: ({"type": "enum", "id": 12}, 12),
    "b" * 40: ({"type": "set", "values": [{"id": 1}, {"id": 2}]}, [1, 2]),
    "c" * 40: ({"type": "monetary", "value": 5, "currency": "EUR"}, {"value": 5, "currency": "EUR"}),
    "d" * 40: ({"type": "daterange", "from": "2026-01-01", "until": "2026-02-01"},
               {"value": "2026-01-01", "until": "2026-02-01"}),
    "e" * 40: ({"type": "varchar", "value": "text"}, "text"),
    "f" * 40: (None, None),
}  # fmt: skip


def test_a_record_reads_like_one_of_a_list() -> None:
    typed = {key: value for key, (value, _) in CUSTOM.items()}
    event = parse(encoded(payload(data={"title": "T", "visible_to": "3", "custom_fields": typed})))
    record = record_of(event, {"id", "title", "visible_to"}, CUSTOM)
    assert record is not None
    read = orjson.loads(record)
    assert (read["visible_to"], read["is_deleted"]) == (3, False)
    assert read["custom_fields"] == {key: plain for key, (_, plain) in CUSTOM.items()}


@pytest.mark.parametrize(
    ("data", "wanted", "custom"),
    [
        ({}, {"title"}, set()),
        ({"update_time": None}, {"id"}, set()),
        ({}, {"id"}, {"a" * 40}),
        ({"custom_fields": {"a" * 40: {"type": "time", "value": "09:00:00"}}}, {"id"}, {"a" * 40}),
        ({"custom_fields": {"a" * 40: {"type": "monetary", "value": 5}}}, {"id"}, {"a" * 40}),
        ({"value": 12345678901234567.89}, {"value"}, set()),
        ({"id": 8}, {"id"}, set()),
    ],
)
def test_what_an_event_does_not_hold_for_sure_is_looked_up(
    data: dict[str, Any], wanted: set[str], custom: set[str]
) -> None:
    assert record_of(parse(encoded(payload(data=data))), wanted, custom) is None
