"""What a filter means, in plain Python over a record's JSON.

Written from the vocabulary alone. It shares nothing with the code that makes SQL of a filter, so that
both can only agree by being right.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

Json = dict[str, Any]

CONDITIONS = {
    "equals": ["equals", "is", "=", "eq", "EQUALS"],
    "not equals": ["not equals", "is not", "!=", "neq", "is_not", "Not-Equals"],
    "contains": ["contains"],
    "does not contain": ["does not contain", "does_not_contain"],
    "starts with": ["starts with", "STARTS_WITH"],
    "ends with": ["ends with", "ends-with"],
    "is empty": ["is empty", "is null", "is_null"],
    "is not empty": ["is not empty", "exists"],
    "greater than": ["greater than", ">", "gt", "after"],
    "greater than or equal": ["greater than or equal", ">=", "gte"],
    "less than": ["less than", "<", "lt", "before"],
    "less than or equal": ["less than or equal", "<=", "lte"],
    "is between": ["is between", "is_between"],
    "in": ["in", "is any of"],
    "not in": ["not in", "is none of", "is_none_of"],
    "is true": ["is true"],
    "is false": ["is false"],
}
"""Every condition with words for it."""

BY_WORD = {word: condition for condition, words in CONDITIONS.items() for word in words}

_NEGATIVES = {"not equals": "equals", "does not contain": "contains", "not in": "equals"}


@dataclass(frozen=True)
class Known:
    """A field as the account describes it."""

    field_type: str
    options: Mapping[int | str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """The fields of an account, and the instant of the evaluation."""

    fields: Mapping[str, Known]
    now: datetime

    def matches(self, group: Json, record: Json) -> bool:
        """Whether the record satisfies the group.

        Args:
            group: as a body has it.
            record: values by key, custom ones beside built-in ones.
        """
        members = [m for m in group["conditions"] if "variable" in m or m["conditions"]]
        if not members:
            return True
        results = [self._leaf(m, record) if "variable" in m else self.matches(m, record) for m in members]
        return any(results) if group.get("operator", "AND") == "OR" else all(results)

    def _leaf(self, leaf: Json, record: Json) -> bool:
        key, _, part = leaf["variable"].partition(".")
        known = self.fields[key]
        elements = elements_of(record.get(key), known.field_type, part)
        condition = BY_WORD[leaf.get("condition") or leaf.get("operator", "equals")]
        if condition == "is empty":
            return not elements
        if condition == "is not empty":
            return bool(elements)
        test = self._test(leaf, condition, known, part)
        fits = any(test(element) for element in elements)
        return not fits if condition in _NEGATIVES else fits

    def _test(self, leaf: Json, condition: str, known: Known, part: str) -> Callable[[Any], bool]:
        positive = "equals" if condition == "in" else _NEGATIVES.get(condition, condition)
        if positive in ("is true", "is false"):
            return lambda element: element is (positive == "is true")
        values = values_of(leaf)
        sensitive = leaf.get("case_sensitive", False)
        if known.options and not part:
            return lambda element: any(
                _option_fits(element, known, value, positive, sensitive) for value in values
            )
        kind = known.field_type
        if kind in ("date", "daterange"):
            return lambda element: _date_fits(element, positive, values, self.now)
        if kind == "uuid":
            sensitive = False
        if kind == "datetime":
            return lambda element: _instant_fits(element, positive, values, self.now)
        return lambda element: _plain_fits(element, positive, values, sensitive)


def values_of(leaf: Json) -> list[Any]:
    """The values, however they are written."""
    values = leaf["values"] if leaf.get("values") is not None else leaf.get("value")
    return values if isinstance(values, list) else [values]


def elements_of(value: Any, field_type: str, part: str) -> list[Any]:
    """The comparable elements of a value: none where it is missing."""
    if field_type == "contacts":
        found = [contact.get(part or "value") for contact in value or ()]
    elif field_type in ("set", "ids"):
        found = list(value or ())
    elif isinstance(value, dict):
        found = [value.get(part or "value")]
    else:
        found = [value]
    return [_read(one, field_type, part) for one in found if one is not None and one != ""]


def _read(value: Any, field_type: str, part: str) -> Any:
    if field_type in ("date", "daterange"):
        return date.fromisoformat(value)
    if field_type == "datetime":
        return datetime.fromisoformat(value)
    if field_type in ("time", "timerange", "clock") and part in ("", "until"):
        return Clock(value)
    return value


class Clock(str):
    """A time of the day, comparable as text."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        return super().__new__(cls, text if len(text) == 8 else text + ":00")


def _folded(text: Any, *, sensitive: bool) -> str:
    return str(text) if sensitive else "".join(character.lower() for character in str(text))


def _text_fits(text: str, condition: str, wanted: str) -> bool:
    return {
        "equals": text == wanted,
        "contains": wanted in text,
        "starts with": text[: len(wanted)] == wanted,
        "ends with": text[-len(wanted) :] == wanted,
    }[condition]


def _option_fits(element: Any, known: Known, value: Any, condition: str, sensitive: bool) -> bool:
    label = known.options.get(element)
    if str(element) == str(value):
        return True
    return label is not None and _text_fits(
        _folded(label, sensitive=sensitive), condition, _folded(value, sensitive=sensitive)
    )


def _plain_fits(element: Any, condition: str, values: Sequence[Any], sensitive: bool) -> bool:
    if isinstance(element, Clock):
        return _ordered_fits(element, condition, [Clock(value) for value in values])
    if isinstance(element, bool):
        return any(element is (str(value).lower() in ("true", "1")) for value in values)
    if isinstance(element, int | float):
        return _ordered_fits(element, condition, [float(value) for value in values])
    text = _folded(element, sensitive=sensitive)
    return any(_text_fits(text, condition, _folded(value, sensitive=sensitive)) for value in values)


def _ordered_fits(element: Any, condition: str, values: Sequence[Any]) -> bool:
    if condition == "is between":
        return bool(values[0] <= element <= values[1])
    if condition in ("equals", "contains"):
        return element in values
    return bool(
        {
            "greater than": element > values[0],
            "greater than or equal": element >= values[0],
            "less than": element < values[0],
            "less than or equal": element <= values[0],
        }[condition]
    )


Days = tuple[date, date]
"""First and last day, both included."""


def days_of(text: str, today: date) -> Days:
    """The days that a date of a filter means."""
    if text[:1].isdigit() and text[4:5] == "-":
        day = datetime.fromisoformat(text).date() if len(text) == 10 else _utc(text).date()
        return day, day
    name = text.lower().replace(" ", "_")
    monday = today - timedelta(days=today.weekday())
    if name.endswith("_ago") or name.startswith("in_"):
        words = name.split("_")
        count = int(words[1]) if words[0] == "in" else -int(words[0])
        unit = words[2] if words[0] == "in" else words[1]
        day = _shift(today, count) if unit.startswith("month") else today + timedelta(weeks=count)
        return day, day
    if name.endswith("_week"):
        first = monday + timedelta(weeks={"last": -1, "this": 0, "next": 1}[name[:4]])
        return first, first + timedelta(days=6)
    if name.endswith("_month"):
        return _month(today.year, today.month + {"last": -1, "this": 0, "next": 1}[name[:4]])
    if name.endswith("_quarter"):
        start = (today.month - 1) // 3 * 3 + 1 + {"last": -3, "this": 0}[name[:4]]
        return _month(today.year, start)[0], _month(today.year, start + 2)[1]
    return {
        "now": (today, today),
        "today": (today, today),
        "yesterday": (today - timedelta(days=1),) * 2,
        "tomorrow": (today + timedelta(days=1),) * 2,
        "before_today": (date.min, today - timedelta(days=1)),
        "before_tomorrow": (date.min, today),
        "later_or_today": (today, date.max),
        "later_or_tomorrow": (today + timedelta(days=1), date.max),
    }[name]


def _month(year: int, month: int) -> Days:
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])


def _shift(day: date, months: int) -> date:
    first, last = _month(day.year, day.month + months)
    return min(first + timedelta(days=day.day - 1), last)


def _utc(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)


def _date_fits(day: date, condition: str, values: Sequence[str], now: datetime) -> bool:
    return _in_days(day, condition, [days_of(value, now.date()) for value in values])


def _in_days(day: date, condition: str, spans: Sequence[Days]) -> bool:
    first, last = spans[0]
    if condition == "is between":
        return first <= day <= spans[1][1]
    if condition == "equals":
        return any(one <= day <= other for one, other in spans)
    return {
        "greater than": day > last,
        "greater than or equal": day >= first,
        "less than": day < first,
        "less than or equal": day <= last,
    }[condition]


def _instant_fits(instant: datetime, condition: str, values: Sequence[str], now: datetime) -> bool:
    instant = instant.astimezone(UTC)
    if condition == "equals":
        return any(_reach(instant, value, now) == 0 for value in values)
    low, high = _reach(instant, values[0], now), _reach(instant, values[-1], now)
    return {
        "greater than": low > 0,
        "greater than or equal": low >= 0,
        "less than": low < 0,
        "less than or equal": low <= 0,
        "is between": low >= 0 and high <= 0,
    }[condition]


def _reach(instant: datetime, value: str, now: datetime) -> int:
    """Where the instant lies: before (-1), in (0) or after (1) what the value means."""
    if value == "now" or (len(value) > 10 and value[4] == "-" and value[0].isdigit()):
        exact = now if value == "now" else _utc(value)
        return (instant > exact) - (instant < exact)
    first, last = days_of(value, now.date())
    return (instant.date() > last) - (instant.date() < first)
