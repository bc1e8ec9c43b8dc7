"""Bodies of webhooks that no Pipedrive sends: set aside, or merged without harm to what comes after."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from pipedrive_orchestration.webhooks.events import UnusableEventError, parse
from pipedrive_orchestration_tests.chaos.sizes import sample
from pipedrive_orchestration_tests.exactness.trial import small_trial
from pipedrive_orchestration_tests.webhooks.payloads import encoded, payload
from pipedrive_orchestration_tests.webhooks.wire import Wire

NO_IDS: tuple[Any, ...] = (
    "", " ", "1/../../users/me", "1?api_token=x", "1%2f..", "1 OR 1=1", "'; DROP TABLE pipedrive.deals; --",
    "9" * 19, "-1", "1e3", "x" * 10**6, "１", "1\n2", True, 1.5, 10**30, [1], {"id": 1}, None,
)  # fmt: skip
NO_INSTANTS: tuple[Any, ...] = (
    "", "now", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", -1, 0, 10**30, True, "1e999", [],
    "253402300799",
)  # fmt: skip


def raw(**meta: str) -> bytes:
    """A body whose meta has these keys, as they are written."""
    usual = {
        "entity": '"deal"',
        "action": '"change"',
        "entity_id": "7",
        "timestamp": '"2026-05-20T10:00:00Z"',
    }
    keys = ", ".join(f'"{key}": {value}' for key, value in (usual | meta).items())
    return f'{{"data": {{"id": 7}}, "meta": {{{keys}}}}}'.encode()


BODIES = (
    b"", b"null", b"[]", b"0", b'"x"', b"{", b"\xff\xfe{\x00}\x00", b'{"meta": {}}',
    b'{"meta": "x", "data": {}}', b"[" * 100_000, b'{"meta":' * 50_000, raw(entity_id="1e999"),
    raw(entity_id="NaN"), raw(entity='"__class__"'), raw(action='"destroy"'), raw(entity='["deal"]'),
    b'{"data": {"id": 7}, "data": null, "meta": {"entity": "deal"}}', raw(entity_id='"\\ud800"'),
    b"a=1&b=2", b"<deal/>",
)  # fmt: skip


def test_bodies_that_are_no_events_are_told_from_events() -> None:
    for body in BODIES:
        with pytest.raises(UnusableEventError) as refused:
            parse(body)
        assert len(str(refused.value)) < 200
    for value in NO_IDS:
        with pytest.raises(UnusableEventError):
            parse(json.dumps(payload(entity_id=value)).encode())
        if value is not None:
            with pytest.raises(UnusableEventError):
                parse(json.dumps(payload(merged_to_id=value)).encode())
        event = parse(json.dumps(payload("deal_product", data={"deal_id": value})).encode())
        assert event.parent_id is None
    for value in NO_INSTANTS:
        with pytest.raises(UnusableEventError):
            parse(json.dumps(payload(timestamp=value)).encode())


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    """As in every reader of JSON here, so that nobody sees another record than is merged."""
    assert parse(raw(entity_id='"6", "entity_id": "8"')).record_id == "8"


DATA: tuple[dict[str, Any], ...] = (
    {"title": {"a": [1]}}, {"title": "x" * 10**6}, {"value": 1e308}, {"value": "12; DROP"}, {"stage_id": "x"},
    {"owner_id": {"id": {"id": 1}}}, {"custom_fields": []},
    {"custom_fields": {"k" * 40: {"type": "set", "values": 7}}}, {"custom_fields": {"k": {"type": "x"}}},
    {"update_time": "never"}, {"update_time": 7}, {"id": "7"}, {"id": None},
    {"is_deleted": "no"}, {"label_ids": {"a": 1}}, {"title": "\x1b[2J'); --"}, {"add_time": []},
)  # fmt: skip


def test_events_that_no_account_sends_keep_no_others_from_being_merged() -> None:
    with small_trial(10) as trial:
        source = trial.wide_source("deals")
        trial.windows(source)
        trial.changes(source)
        wire = Wire(trial, [source])
        trial.demo.account.clock.advance(timedelta(seconds=2))
        known = next(one for one in trial.demo.account.records("deals") if not one["is_deleted"])
        now = f"{trial.clock():%Y-%m-%dT%H:%M:%SZ}"
        for data in sample(DATA, DATA[0], DATA[7], DATA[9], DATA[12]):
            for record_id in (known["id"], 10**17):
                body = payload(record_id=record_id, data=data, timestamp=now)
                try:
                    parse(encoded(body))
                except UnusableEventError:
                    continue
                wire.inbox.add([encoded(body)])
        wire.merge()
        trial.demo.account.clock.advance(timedelta(seconds=2))
        trial.demo.write("PATCH", f"/api/v2/deals/{known['id']}", {"title": "True"})
        new = trial.demo.write("POST", "/api/v2/deals", {"title": "New"})["id"]
        wire.deliver()
        assert wire.merge().failures == {}
        titles = trial.ask(
            f"SELECT title FROM pipedrive.deals WHERE _id IN ({known['id']}, {new}) AND _is_current"
        )
        assert {title for (title,) in titles} == {"True", "New"}
        trial.windows(source)
        assert trial.differences(source) == []
