"""Odd answers: rules by which chosen requests get another answer than the account's own.

Faults (:mod:`~pipedrive_orchestration.demo.faults`) pass when a request is repeated; an odd answer comes
where and for as long as a rule says. What the account holds and logs stays true.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from functools import reduce
from random import Random
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Receive, Scope, Send

from pipedrive_orchestration.demo.errors import over_limit, wrong_scope
from pipedrive_orchestration.demo.responses import (
    Change,
    FullResponse,
    answer,
    both,
    envelope_with,
    envelope_without,
    of_each_record,
    of_envelope,
    without_headers,
)


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A rule of which requests are answered oddly, and how.

    Attributes:
        name: what is odd.
        change: what becomes of the account's answer.
        path: a pattern of the path, in which ``*`` stands for anything, such as ``/api/v2/*Fields``.
        method: HTTP method.
        query: a pattern for each parameter that the request must have; None for one that it must not.
        after: so many requests that fit are answered rightly first.
        times: so many are then answered oddly; without end if None.
        share: of those, as ``seed`` draws them.
        seed: the same seed and the same requests give the same answers.
        since: from when on, by the account's clock.
        until: until when.
    """

    name: str
    change: Change
    path: str = "*"
    method: str = "GET"
    query: Mapping[str, str | None] = field(default_factory=dict)
    after: int = 0
    times: int | None = None
    share: float = 1.0
    seed: int = 1
    since: datetime | None = None
    until: datetime | None = None

    def fits(self, method: str, path: str, query: Mapping[str, str], now: datetime) -> bool:
        """Whether a request is one of those that the rule is about."""
        return (
            method == self.method
            and fnmatchcase(path, self.path)
            and (self.since is None or self.since <= now)
            and (self.until is None or now < self.until)
            and all(_fits(query.get(name), pattern) for name, pattern in self.query.items())
        )


def _fits(value: str | None, pattern: str | None) -> bool:
    return value is pattern if value is None or pattern is None else fnmatchcase(value, pattern)


class OddAnswers:
    """The application with rules in front of it, which can be changed while it runs.

    Args:
        app: the application.
        now: the account's clock.

    Attributes:
        given: how often each rule has changed an answer, by its name.
    """

    def __init__(self, app: ASGIApp, now: Callable[[], datetime]) -> None:
        self._app = app
        self._now = now
        self._rules: tuple[Rule, ...] = ()
        self._fitting: Counter[Rule] = Counter()
        self._draws: dict[Rule, Random] = {}
        self.given: Counter[str] = Counter()

    def follow(self, *rules: Rule) -> None:
        """Answer by these rules from now on, and by no other; where several fit, by one after the other."""
        self._fitting = Counter()
        self._draws = {rule: Random(rule.seed) for rule in rules}
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, oddly if a rule says so."""
        rules = self._due(scope) if self._rules and scope["type"] == "http" else []
        if not rules:
            await self._app(scope, receive, send)
            return
        right = await FullResponse.of(self._app, scope, receive)
        await reduce(lambda response, rule: rule.change(response), rules, right).deliver(send)

    def _due(self, scope: Scope) -> list[Rule]:
        query = dict(parse_qsl(scope["query_string"].decode()))
        now = self._now()
        return [
            rule
            for rule in self._rules
            if rule.fits(scope["method"], scope["path"], query, now) and self._is_due(rule)
        ]

    def _is_due(self, rule: Rule) -> bool:
        number = self._fitting[rule] - rule.after
        self._fitting[rule] += 1
        if number < 0 or (rule.times is not None and number >= rule.times):
            return False
        if self._draws[rule].random() >= rule.share:
            return False
        self.given[rule.name] += 1
        return True


def _flat_paging_facts(envelope: dict[str, Any]) -> dict[str, Any]:
    additional = dict(envelope.get("additional_data") or {})
    return {**envelope, "additional_data": {**additional, **additional.pop("pagination", {})}}


def _without_next_start(envelope: dict[str, Any]) -> dict[str, Any]:
    additional = envelope.get("additional_data") or {}
    for facts in (additional, additional.get("pagination") or {}):
        facts.pop("next_start", None)
    return envelope


def _is_gone(entry: Mapping[str, Any]) -> bool:
    record = entry.get("data") or {}
    return record.get("active_flag") is False or record.get("is_deleted") is True


def _unexplained(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "data": None} if _is_gone(entry) else entry


def _nameless(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "id": None, "data": None} if _is_gone(entry) else entry


def _built_in(definition: dict[str, Any]) -> dict[str, Any] | None:
    return None if definition.get("is_custom_field") else definition


_OTHER_TYPES = {"enum": "set", "set": "enum", "double": "varchar", "varchar": "double"}


def _retyped(definition: dict[str, Any]) -> dict[str, Any]:
    other = _OTHER_TYPES.get(definition["field_type"]) if definition.get("is_custom_field") else None
    return {**definition, "field_type": other} if other else definition


_ODD_KEYS: tuple[dict[str, Any], ...] = (
    {"field_type": None},
    {"is_custom_field": None},
    {"options": {}},
    {"field_name": 7},
    {"options": [{"id": True, "label": 5}]},
)


def _odd_definition(definition: dict[str, Any]) -> dict[str, Any]:
    """A definition that no schema allows, in one of several ways, which its name decides."""
    if not definition.get("is_custom_field"):
        return definition
    return {**definition, **_ODD_KEYS[len(definition["field_name"]) % len(_ODD_KEYS)]}


def _id_as_text(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "id": str(record["id"])} if "id" in record else record


def _long_numbers(record: dict[str, Any]) -> dict[str, Any]:
    custom = record.get("custom_fields") or {}
    long = {code: 2**53 + 1 for code, value in custom.items() if isinstance(value, float)}
    return {**record, "custom_fields": {**custom, **long}} if long else record


def is_left_out(record_id: object) -> bool:
    """Whether ``left-out-records`` leaves out the record of that id."""
    return sum(str(record_id).encode()) % 3 == 0


def _two_of_three(record: dict[str, Any]) -> dict[str, Any] | None:
    return None if "id" in record and is_left_out(record["id"]) else record


_SIGN_IN = b"<!DOCTYPE html><html><title>Sign in to this network</title></html>"
_BURST, _DAILY = "x-ratelimit-", "x-daily-ratelimit-"


def _refusal(error: Any, **headers: str) -> Change:
    return answer(
        error.body, error.status, {name.replace("_", "-"): value for name, value in headers.items()}
    )


ODD_ANSWERS: dict[str, tuple[str, Change]] = {
    "null-data": ("*", envelope_with(data=None, additional_data=None)),
    "html": ("*", answer(_SIGN_IN, headers={"content-type": "text/html"})),
    "flat-paging-facts": ("/v1/*", of_envelope(_flat_paging_facts)),
    "no-next-start": ("/v1/*", of_envelope(_without_next_start)),
    "no-paging-facts": ("/v1/*", envelope_without("additional_data")),
    "unexplained-recents": ("/v1/recents", of_each_record(_unexplained)),
    "nameless-recents": ("/v1/recents", of_each_record(_nameless)),
    "no-scope-of-recents": ("/v1/recents", _refusal(wrong_scope())),
    "no-scope-of-fields": ("/api/v2/*Fields", _refusal(wrong_scope())),
    "no-custom-fields": ("/api/v2/*Fields", of_each_record(_built_in)),
    "other-field-types": ("/api/v2/*Fields", of_each_record(_retyped)),
    "odd-fields": ("/api/v2/*Fields", of_each_record(_odd_definition)),
    "429-with-room": (
        "*",
        both(
            _refusal(over_limit(), x_ratelimit_remaining="5", x_ratelimit_reset="1"), without_headers(_DAILY)
        ),
    ),
    "429-retry-after": (
        "*", both(_refusal(over_limit(), retry_after="1"), without_headers(_BURST, _DAILY)),
    ),
    "no-limit-headers": ("*", without_headers(_BURST, _DAILY)),
    "no-date": ("*", without_headers("date")),
    "text-ids": ("/api/v2/*", of_each_record(_id_as_text)),
    "long-numbers": ("/api/v2/*", of_each_record(_long_numbers)),
    "left-out-records": ("*", of_each_record(_two_of_three)),
}  # fmt: skip
"""What Pipedrive, or what stands before it, has been seen to answer, by a name for it: where, and how."""


def odd(name: str, **how: Any) -> Rule:
    """The rule of an odd answer that has a name.

    Args:
        name: a key of `ODD_ANSWERS`.
        how: attributes of `Rule` that are not the usual ones.
    """
    path, change = ODD_ANSWERS[name]
    attributes: dict[str, Any] = {"name": name, "change": change, "path": path}
    return Rule(**attributes | how)
