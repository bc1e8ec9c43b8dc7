"""The values of a leaf, read as what they are compared with."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from pipedrive_orchestration.importing.casts import sql_type_of
from pipedrive_orchestration.importing.filters.names import NAMED_TYPES, Names, id_of
from pipedrive_orchestration.importing.filters.variables import Kind, Variable
from pipedrive_orchestration.pipedrive.fields import Option
from pipedrive_orchestration.sources.conditions import Condition
from pipedrive_orchestration.sources.relative_dates import RELATIVE_DATES, interval_of
from pipedrive_orchestration.sources.validation import did_you_mean

Written = bool | int | float | str
"""A value as the body has it."""

Bound = date | datetime | None

Operand = bool | int | float | str | timedelta | UUID | tuple[Bound, Bound]
"""A value to compare with; dates are intervals ``[low, high)``."""


class InvalidValueError(ValueError):
    """A value that cannot be compared with the field."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class OperandReader:
    """Reads the values of one leaf.

    Attributes:
        condition: what the leaf asks, never a negative.
        now: what relative dates start from.
    """

    variable: Variable
    condition: Condition
    names: Names
    now: datetime
    case_sensitive: bool

    def operands(self, value: Written) -> list[Operand]:
        """The operands that a value stands for: usually one, several where several records have that name.

        Raises:
            InvalidValueError: it cannot be read.
        """
        variable = self.variable
        if variable.kind is Kind.REFERENCE:
            return list(self._referenced(value))
        if variable.kind is Kind.OPTION:
            return list(self._chosen(value))
        chosen: list[Operand] = []
        if self.condition is Condition.EQUALS or variable.many:
            chosen += self._labeled(value)
        try:
            chosen.append(self._read(value))
        except InvalidValueError:
            if not chosen:
                raise
        return chosen

    def _read(self, value: Written) -> Operand:
        if self.variable.kind in (Kind.DATE, Kind.DATETIME):
            return self._dated(value)
        operand = _READERS[self.variable.kind](value)
        if operand is None:
            raise InvalidValueError("invalid_value", f"`{value}` is not {_MEANT[self.variable.kind]}.")
        return operand

    def _dated(self, value: Written) -> Operand:
        interval = interval_of(value, self.now) if isinstance(value, str) else None
        if interval is None:
            raise InvalidValueError(
                "invalid_value",
                f"`{value}` is not a date: write YYYY-MM-DD, an ISO 8601 instant, or a relative date such "
                f"as {', '.join(RELATIVE_DATES)}.",
            )
        return interval.days() if self.variable.kind is Kind.DATE else (interval.low, interval.high)

    def _referenced(self, value: Written) -> list[int] | list[UUID] | list[int | UUID]:
        field_type = self.variable.field.field_type
        record_id = id_of(field_type, value)
        if record_id is not None:
            return [record_id]
        ids = self.names.ids(field_type, str(value), case_sensitive=self.case_sensitive)
        if not ids:
            hint = did_you_mean(str(value), self.names.known(field_type))
            raise InvalidValueError(
                "unknown_name", f"The account has no {NAMED_TYPES[field_type]} named `{value}`.{hint}"
            )
        return ids

    def _chosen(self, value: Written) -> list[int | str]:
        """Ids of the options that a value means: by id, by label, or by a text in the label."""
        chosen = [
            option
            for option in self.variable.options
            if str(option.id) == str(value) or self._fits(option.label, str(value))
        ]
        if not chosen and self.condition is Condition.EQUALS:
            labels = [option.label for option in self.variable.options]
            known = f" Options: {', '.join(labels[:20])}." if labels else " It has no options."
            raise InvalidValueError(
                "unknown_option",
                f"`{self.variable.field.key}` has no option `{value}`."
                f"{did_you_mean(str(value), labels)}{known}",
            )
        return [self._option_id(option) for option in chosen]

    def _labeled(self, value: Written) -> list[int | str]:
        return [
            self._option_id(option)
            for option in self.variable.options
            if self._folded(option.label) == self._folded(str(value))
        ]

    def _fits(self, label: str, text: str) -> bool:
        label, text = self._folded(label), self._folded(text)
        match self.condition:
            case Condition.CONTAINS:
                return text in label
            case Condition.STARTS_WITH:
                return label.startswith(text)
            case Condition.ENDS_WITH:
                return label.endswith(text)
            case _:
                return label == text

    def _folded(self, text: str) -> str:
        return text if self.case_sensitive else text.casefold()

    def _option_id(self, option: Option) -> int | str:
        # Built-in fields have text ids even where records hold numbers (docs/pipedrive-api.md#fields).
        numbered = "BIGINT" in sql_type_of(self.variable.field)
        return int(option.id) if numbered and str(option.id).isdigit() else option.id


def _number(value: Written) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        if not _NUMBER.fullmatch(text):
            return None
        value = int(text) if _WHOLE.fullmatch(text) else float(text)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if abs(value) < 10**38:
        return value
    # Beyond 38 digits, a number is no integer to DuckDB.
    return float(value) if abs(value) < 10**308 else None


_WHOLE = re.compile(r"[+-]?\d{1,300}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d{1,300}(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)


def _boolean(value: Written) -> bool | None:
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).strip().lower())


_CLOCK = re.compile(r"(\d{1,3}):([0-5]\d)(?::([0-5]\d))?", re.ASCII)


def _time(value: Written) -> timedelta | None:
    clock = _CLOCK.fullmatch(str(value).strip())
    if clock is None:
        return None
    return timedelta(hours=int(clock[1]), minutes=int(clock[2]), seconds=int(clock[3] or 0))


def _uuid(value: Written) -> UUID | None:
    try:
        return UUID(str(value).strip())
    except ValueError:
        return None


def _text(value: Written) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_READERS: dict[Kind, Callable[[Written], Operand | None]] = {
    Kind.TEXT: _text,
    Kind.NUMBER: _number,
    Kind.BOOLEAN: _boolean,
    Kind.TIME: _time,
    Kind.UUID: _uuid,
}
_MEANT = {
    Kind.NUMBER: "a number; write it with digits and a point",
    Kind.BOOLEAN: "a boolean; write true or false",
    Kind.TIME: "a time; write HH:MM or HH:MM:SS",
    Kind.UUID: "a UUID",
}
