"""The leaf of a filter: one test of one field, and the values that it compares with."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    Tag,
    ValidationInfo,
    field_validator,
)

from pipedrive_orchestration.sources.problems import did_you_mean, refusal
from pipedrive_orchestration.sources.texts import Text
from pipedrive_orchestration.sources.vocabulary import ALIASES, Condition, condition_named

VariableType = Literal["string", "number", "date", "datetime", "boolean", "enum", "array"]
"""How a leaf wants its field compared; the field's own type decides where it is not given."""

Joiner = Literal["AND", "OR"]
"""How the members of a group are joined."""


def _scalar(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()  # YAML has read an unquoted 2026-01-31; a filter holds it as written
    if isinstance(value, float) and not math.isfinite(value):
        raise refusal("finite_number", "Must be a finite number.")
    if isinstance(value, str) and "\x00" in value:
        raise refusal("invalid_character", "Must not contain a NUL character.")
    if isinstance(value, str) and not value.strip():
        raise refusal("blank", "Must not be blank; `is empty` finds records without a value.")
    if isinstance(value, str | int | float):
        return value
    raise refusal("scalar_type", "Must be a text, a number, a boolean or a date.")


Scalar = Annotated[StrictBool | StrictInt | StrictFloat | StrictStr, BeforeValidator(_scalar)]
"""One value to compare with."""

Scalars = Annotated[
    Annotated[Scalar, Tag("<value>")] | Annotated[tuple[Scalar, ...], Tag("<values>")],
    Discriminator(lambda value: "<values>" if isinstance(value, list | tuple) else "<value>"),
]
"""One value or a list of them."""


class FilterLeaf(BaseModel):
    """One test of one field.

    ``condition`` is ``equals`` where none is given. ``operator`` is either an alias of ``condition`` or,
    as AND or OR, a hint how the leaf is joined to the others of its group. ``value`` and ``values`` are
    two ways to write the same.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    variable: Text
    condition: Text | None = None
    operator: Text | None = None
    variable_type: VariableType | None = None
    value: Scalars | None = None
    values: Annotated[tuple[Scalar, ...] | None, Field(validate_default=True)] = None
    case_sensitive: StrictBool = False

    @property
    def asks(self) -> Condition:
        """What the leaf asks of its field."""
        return _asked(self.condition, self.operator)

    @property
    def hint(self) -> Joiner | None:
        """How the leaf says that it is joined, if it does."""
        return _joiner(self.operator)

    @property
    def given(self) -> list[tuple[str, bool | int | float | str]]:
        """Its values, each with its place in the leaf such as ``values[0]``."""
        name = "values" if self.values is not None else "value"
        values = self.value if self.values is None else self.values
        if values is None:
            return []
        if not isinstance(values, tuple):
            return [(name, values)]
        return [(f"{name}[{index}]", value) for index, value in enumerate(values)]

    @field_validator("condition")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None:
            _check_known(value)
        return value

    @field_validator("operator")
    @classmethod
    def _agreeing(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None or _joiner(value):
            return value
        operator = _check_known(value)
        condition = info.data.get("condition")
        if condition is not None and condition_named(condition) is not operator:
            raise refusal(
                "conflicting_condition",
                f"`{value}` means `{operator}`, and the condition is `{condition}`. Give one of them.",
            )
        return value

    @field_validator("values")
    @classmethod
    def _enough(
        cls, values: tuple[Any, ...] | None, info: ValidationInfo
    ) -> tuple[bool | int | float | str, ...] | None:
        if not {"condition", "operator", "value"} <= info.data.keys():
            return values
        value = info.data["value"]
        if value is not None and values is not None and values != _tuple(value):
            raise refusal("given_twice", "`value` and `values` are two ways to write the same; give one.")
        condition = _asked(info.data["condition"], info.data["operator"])
        count = len(_tuple(value if values is None else values))
        least, greatest = condition.takes
        if count < least or (greatest is not None and count > greatest):
            raise refusal(
                "wrong_number_of_values",
                f"`{condition}` takes {_amount(least, greatest)}, not {count}.",
            )
        return values


def _check_known(text: str) -> Condition:
    condition = condition_named(text)
    if condition is None:
        raise refusal(
            "unknown_condition",
            f"`{text}` is not a condition.{did_you_mean(text, ALIASES)} "
            f"Conditions: {', '.join(known.value for known in Condition)}.",
        )
    return condition


def _asked(condition: str | None, operator: str | None) -> Condition:
    alias = None if operator is None or _joiner(operator) else operator
    named = condition or alias
    return (condition_named(named) if named else None) or Condition.EQUALS


def _joiner(operator: str | None) -> Joiner | None:
    joiners: dict[str, Joiner] = {"AND": "AND", "OR": "OR"}
    return joiners.get(operator.upper()) if operator else None


def _tuple(values: Any) -> tuple[Any, ...]:
    if values is None:
        return ()
    return values if isinstance(values, tuple) else (values,)


def _amount(least: int, greatest: int | None) -> str:
    if greatest == 0:
        return "no value"
    exactly = {1: "exactly one value", 2: "exactly two values"}
    return "at least one value" if greatest is None else exactly[least]
