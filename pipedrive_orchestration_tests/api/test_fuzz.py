"""Bodies of every shape: types, depth, size, Unicode, NUL, huge numbers. None is answered with 500."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.sources import InMemoryKeyValues, SourceStore
from pipedrive_orchestration_tests.api.serving import DEALS, Api, previewed
from pipedrive_orchestration_tests.api.test_order_of_checks import IMPORT
from pipedrive_orchestration_tests.chaos.sizes import FULL

texts = (
    st.text(max_size=40)
    | st.sampled_from(
        ["", " ", "\x00", "a\x00b", "\x85", "\u2028", "\ufeff", "\U0001f600", "null", "*anchor"]
    )
    | st.sampled_from(["- a", "{{x}}", "2027-02-30", "deals", "status", "open", "'; DROP TABLE deals; --"])
    | st.just(10_000).map("x".__mul__)
)
numbers = (
    st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0, -1, 2**31, 2**63, 2**64, 1e308])
    | st.just(400).map(lambda digits: 10**digits)
)
scalars = st.none() | st.booleans() | numbers | texts
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
leaves = st.fixed_dictionaries(
    {},
    optional={
        "variable": st.sampled_from(["status", "value", "title", "add_time", "x"]) | anything,
        "condition": st.sampled_from(["equals", "contains", "is between", "greater than", "is empty"])
        | anything,
        "operator": st.sampled_from(["AND", "OR", "equals"]) | anything,
        "values": st.lists(scalars, max_size=3) | anything,
        "variable_type": st.sampled_from(["string", "number", "date"]) | anything,
        "case_sensitive": st.booleans() | anything,
    },
)
filters = st.recursive(
    leaves,
    lambda inner: st.fixed_dictionaries(
        {"conditions": st.lists(inner, max_size=3)}, optional={"operator": texts}
    ),
    max_leaves=8,
)
bodies = st.fixed_dictionaries(
    {
        "name": texts | anything,
        "object_type": st.sampled_from(["deals", "leads", "stages", "dealz"]) | anything,
        "properties": st.lists(st.sampled_from(["title", "value", "id"]) | texts, max_size=4) | anything,
        "pull_mode": st.sampled_from(["static", "active"]) | anything,
    },
    optional={
        "schedule": st.sampled_from(["@daily", "* * * * *", "61 * * * *"]) | anything,
        "expiration_date": st.sampled_from(["2099-01-01", "2020-01-01"]) | anything,
        "pull_existing": st.booleans() | anything,
        "filters": filters | anything,
        "properties_metadata": st.lists(anything, max_size=3) | anything,
        "options": st.fixed_dictionaries({}, optional={"max_tokens": numbers, "owners": anything}) | anything,
        "unknown": anything,
    },
)  # fmt: skip


def written(body: Any) -> bytes:
    """JSON, with numbers of any size."""
    return json.dumps(body).encode()


class Deep(dict[str, Any]):
    """A body with a filter of many levels, too many to be printed."""

    def __init__(self, levels: int) -> None:
        body: dict[str, Any] = {"variable": "status", "condition": "equals", "values": ["open"]}
        for _ in range(levels):
            body = {"conditions": [body]}
        super().__init__(DEALS | {"filters": body})
        self.levels = levels

    def __repr__(self) -> str:
        return f"Deep({self.levels})"


@pytest.mark.parametrize("path", [IMPORT, f"{IMPORT}/preview"])
@settings(
    max_examples=100 if FULL else 20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(body=bodies | anything)
@example(Deep(20))
@example(Deep(45))
@example(Deep(60))
@example(Deep(200))
@example(Deep(400))
@example(DEALS | {"name": "a\x00b", "properties": ["\x00"]})
@example(DEALS | {"name": "\x85\u2028\ufeff\U0001f600 '\"\n: # -"})
@example(
    DEALS | {"properties_metadata": [{"value": "title", "label": "x", "extras": {"a": [{"b": "\x00\x85"}]}}]}
)
@example(DEALS | {"filters": {"conditions": [{"variable": "value", "condition": "is", "values": [10**400]}]}})
@example(DEALS | {"filters": {"conditions": [{"variable": "value", "condition": "is", "values": [2**63]}]}})
@example(DEALS | {"filters": {"conditions": [{"variable": "title", "condition": "is", "values": ["\x00"]}]}})
def test_no_body_is_answered_with_500_and_what_is_created_loads(api: Api, path: str, body: Any) -> None:
    if path != IMPORT and isinstance(body, dict):
        body = previewed(body)
    answer = api.post(path, content=written(body), headers={"Content-Type": "application/json"})
    assert answer.status_code in (200, 201, 400, 402), answer.text
    assert answer.json()["status"] == answer.status_code
    assert not SourceStore(api.store.project, InMemoryKeyValues()).load().bad_files
    if answer.status_code == 201:
        shown = api.get(f"/sources/{answer.json()['data']['source_instance_id']}").json()["data"]
        assert shown["name"] == body["name"].strip()


@settings(
    max_examples=100 if FULL else 20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(body=st.fixed_dictionaries({}, optional={"status": anything, "context": anything}) | anything)
def test_no_other_body_is_either(api: Api, body: Any) -> None:
    source = next(iter(api.store.load().sources), None) or api.add(**DEALS)
    headers = {"Content-Type": "application/json"}
    for method, path in (
        ("PATCH", f"/sources/{source.id}/status"),
        ("POST", f"{IMPORT}/options/properties"),
    ):
        answer = api.call(method, path, content=written(body), headers=headers)
        assert answer.status_code in (200, 400, 409), answer.text


@settings(max_examples=100 if FULL else 25, deadline=None, derandomize=True,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(content=st.binary(max_size=200))
def test_no_bytes_are_either(api: Api, content: bytes) -> None:
    answer = api.post(IMPORT, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
