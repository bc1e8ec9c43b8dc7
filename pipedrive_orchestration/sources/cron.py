"""Which cron expressions a schedule may have, and when they fire.

A schedule is read by croniter here and by Dagster's own reader where it fires. The rule admits what
both accept and read alike, so that a preview tells the truth and no expression passes now and fails at
every tick. It takes five fields or one of five names, always in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from croniter import croniter

NAMED = ("@hourly", "@daily", "@weekly", "@monthly", "@yearly")
"""The names that may stand for an expression."""


_GAPS_FROM = datetime(2026, 1, 1, 0, 30, 30, tzinfo=UTC)
"""An instant at which no schedule can fire, nor a quarter of a day later."""

_GAPS_WITHIN = timedelta(days=62)
_QUARTER = timedelta(hours=6)


class InvalidCronError(ValueError):
    """An expression that is not allowed; the message gives the reason."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    last: int
    largest_step: int


_FIELDS = (
    _Field("minute", 59, 59),
    _Field("hour", 23, 23),
    _Field("day of month", 31, 31),
    _Field("month", 12, 12),
    _Field("day of week", 6, 7),
)

_RANDOM = re.compile(r"[rh](\(.*\))?(/\d+)?", re.IGNORECASE)
_STEP = re.compile(r"(?P<start>[^/]+)/(?P<step>[0-9]+)")
_RANGE = re.compile(r"[0-9]+-(?P<end>[0-9]+)")
_NAME = re.compile(r"[a-z]{3}", re.IGNORECASE)
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NUMBERS = {name: str(number) for number, name in [*enumerate(_WEEKDAYS), *enumerate(_MONTHS, 1)]}
_ANY = ("*", "?")
_SPECIAL_DAY = re.compile(r"#|\bl", re.IGNORECASE)
_NEAREST_WEEKDAY = re.compile(r"(\d+w|w\d*)", re.IGNORECASE)


def parse_cron(expression: str) -> str:
    """The expression with single blanks between its fields.

    Raises:
        InvalidCronError: It is not five fields or one of `NAMED`, is not valid, can never fire, fires at
            random, or has a step that does not do what it seems to.
    """
    fields = expression.split()
    normalised = " ".join(fields)
    if normalised in NAMED:
        return normalised
    _refuse_wrong_number_of_fields(normalised, fields)
    for field, text in zip(_FIELDS, fields, strict=True):
        for item in text.split(","):
            _refuse_misleading_item(field, item)
    _refuse_special_days_in_both_fields(day=fields[2], weekday=fields[4])
    _refuse_what_croniter_refuses(normalised)
    return normalised


def next_ticks(schedule: str, after: datetime, count: int) -> list[datetime]:
    """The next ``count`` instants, strictly after ``after``, at which a valid schedule fires, in UTC.

    Fewer come where the calendar holds no more of them within reach of croniter (50 years).
    """
    iterator = croniter(schedule, after.astimezone(UTC), ret_type=datetime)
    return list(_take(iterator, count))


@lru_cache
def longest_gap(schedule: str) -> timedelta:
    """The longest time between two ticks of a valid schedule, looked for in two months four times a day."""
    ticks = croniter(schedule, ret_type=datetime)
    instant, longest = _GAPS_FROM, timedelta()
    while instant < _GAPS_FROM + _GAPS_WITHIN:
        before: datetime = ticks.get_prev(datetime, start_time=instant)
        after: datetime = ticks.get_next(datetime, start_time=instant)
        longest = max(longest, after - before)
        # What lies before the next tick is in the same gap.
        instant += -((instant - after) // _QUARTER) * _QUARTER
    return longest


def _take(iterator: croniter, count: int) -> Iterator[datetime]:
    for _ in range(count):
        yield iterator.get_next(datetime).astimezone(UTC)


def _refuse_wrong_number_of_fields(normalised: str, fields: list[str]) -> None:
    if not fields:
        raise InvalidCronError("The expression is empty.")
    if normalised.startswith("@"):
        raise InvalidCronError(f"`{normalised}` is not one of {', '.join(NAMED)}.")
    if len(fields) != len(_FIELDS):
        names = ", ".join(field.name for field in _FIELDS)
        raise InvalidCronError(
            f"`{normalised}` has {len(fields)} field{'s' if len(fields) > 1 else ''}; five are expected "
            f"({names}). Seconds and years are not possible."
        )


def _refuse_misleading_item(field: _Field, item: str) -> None:
    if _RANDOM.fullmatch(item):
        raise InvalidCronError(
            f"`{item}` in the {field.name} stands for a random value, which would be another one in every "
            "process. Write the value itself."
        )
    if field.name == "day of month" and _NEAREST_WEEKDAY.fullmatch(item):
        raise InvalidCronError(f"`{item}` (nearest weekday) in the {field.name} is not supported.")
    stepped = _STEP.fullmatch(item)
    start, step = (stepped["start"], int(stepped["step"])) if stepped else (item, 1)
    _refuse_misleading_step(field, item, start, step)


def _refuse_misleading_step(field: _Field, item: str, start: str, step: int) -> None:
    start = _NAME.sub(lambda name: _NUMBERS.get(name[0].lower(), name[0]), start)
    if step > field.largest_step:
        raise InvalidCronError(
            f"The step of `{item}` is larger than the {field.name}, which ends at {field.largest_step}."
        )
    if "/" in item and start.isdecimal() and int(start) + step > field.last:
        raise InvalidCronError(f"`{item}` in the {field.name} has a single hit; write `{start}`.")
    bounds = _RANGE.fullmatch(start)
    if bounds and step > int(bounds["end"]):
        raise InvalidCronError(
            f"The step of `{item}` in the {field.name} is larger than the end of its range."
        )


def _refuse_special_days_in_both_fields(day: str, weekday: str) -> None:
    restricted = day not in _ANY and weekday not in _ANY
    if restricted and _SPECIAL_DAY.search(f"{day} {weekday}"):
        raise InvalidCronError(
            f"`{day}` as day of month and `{weekday}` as day of week do not go together; restrict only one."
        )


def _refuse_what_croniter_refuses(normalised: str) -> None:
    if not normalised.isascii() or not croniter.is_valid(normalised):
        raise InvalidCronError(f"`{normalised}` is not a valid cron expression.{_reason(normalised)}")
    if not croniter.is_valid(normalised, strict=True):
        raise InvalidCronError(f"`{normalised}` names a day that its months do not have.")


def _reason(normalised: str) -> str:
    try:
        croniter(normalised)
    except (ValueError, KeyError, IndexError) as error:
        return f" {error}" if isinstance(error, ValueError) else ""
    return ""
