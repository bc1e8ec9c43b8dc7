"""The model of a filter: groups joined by AND or OR, and leaves that each test one field."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
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
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from pipedrive_orchestration.sources.conditions import ALIASES, Condition, condition_named
from pipedrive_orchestration.sources.validation import Text, did_you_mean, refusal, tag

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

    variable: Text = Field(description="The field to test; it need not be imported.")
    condition: Text | None = Field(
        default=None,
        description="What to ask: one of the examples, or another name for it such as `=` or `gt`. Capitals "
        "do not count, and _ and - are blanks.",
        examples=[condition.value for condition in Condition],
    )
    operator: Text | None = Field(default=None, description="An alias of condition; AND or OR in a group.")
    variable_type: VariableType | None = Field(
        default=None, description="How to compare; follows from the field if not given."
    )
    value: Scalars | None = Field(default=None, description="What to compare with, for a single value.")
    values: Annotated[tuple[Scalar, ...] | None, Field(validate_default=True)] = Field(
        default=None, description="What to compare with."
    )
    case_sensitive: StrictBool = Field(
        default=False, description="Whether capitals count; they do not unless told so."
    )

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


MAX_LEAVES = 100
"""How many leaves a filter may have."""


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


_MEMBERS = "Leaves, or groups of them."


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    operator: Annotated[Joiner | None, BeforeValidator(_upper)] = Field(
        default=None, description="How the conditions are joined."
    )
    conditions: tuple[BaseModel, ...] = Field(default=(), description=_MEMBERS)

    @property
    def joiner(self) -> Joiner:
        """How its members are joined: as the group says, else as its leaves say, else by AND."""
        return self.operator or ("OR" if _hints(self.conditions) == {"OR"} else "AND")

    @field_validator("conditions")
    @classmethod
    def _hinting_alike(cls, value: tuple[BaseModel, ...], info: ValidationInfo) -> tuple[BaseModel, ...]:
        if info.data.get("operator") is None and len(_hints(value)) > 1:
            raise refusal(
                "mixed_operators", "Some leaves say AND and some say OR: give their group the operator."
            )
        return value


def _hints(members: tuple[BaseModel, ...]) -> set[Joiner]:
    return {member.hint for member in members if isinstance(member, FilterLeaf) and member.hint}


def _looks_like_group(value: Any) -> bool:
    if isinstance(value, _Group):
        return True
    return isinstance(value, Mapping) and (
        "conditions" in value or value.keys() <= FilterGroup.model_fields.keys()
    )


def _leaf(value: Any) -> Any:
    if _looks_like_group(value):
        raise refusal("too_deep", "Groups nest two levels deep: a group inside a group holds leaves only.")
    return value


class FilterSubgroup(_Group):
    """A group inside the filter: leaves joined by ``operator``."""

    conditions: tuple[Annotated[FilterLeaf, BeforeValidator(_leaf)], ...] = Field(
        default=(), description="Leaves."
    )


_SUBGROUP = "<FilterGroup>"
"""Tag of a group: both kinds have the same fields."""

FilterNode = Annotated[
    Annotated[FilterSubgroup, Tag(_SUBGROUP)] | Annotated[FilterLeaf, Tag(tag(FilterLeaf))],
    Discriminator(lambda value: _SUBGROUP if _looks_like_group(value) else tag(FilterLeaf)),
]
"""A member of a filter: a group of leaves, or a leaf."""


class FilterGroup(_Group):
    """A filter: groups and leaves joined by ``operator``; an empty group restricts nothing."""

    conditions: tuple[FilterNode, ...] = Field(default=(), description=_MEMBERS)

    @field_validator("conditions", mode="wrap")
    @classmethod
    def _few(cls, value: Any, read: Callable[[Any], tuple[FilterNode, ...]]) -> tuple[FilterNode, ...]:
        leaves = _count_leaves(value)
        if leaves <= MAX_LEAVES:
            return read(value)
        many = refusal("too_many_leaves", f"A filter has at most {MAX_LEAVES} leaves, this one has {leaves}.")
        try:
            read(value)
        except ValidationError as error:
            # What else is wrong is reported with it.
            others = [_again(details) for details in error.errors(include_url=False)]
            raise ValidationError.from_exception_data(
                cls.__name__, [*others, InitErrorDetails(type=many, loc=(), input=leaves)]
            ) from None
        raise many


def _again(details: Any) -> InitErrorDetails:
    error = PydanticCustomError(details["type"], "{message}", {"message": details["msg"]})
    return InitErrorDetails(type=error, loc=details["loc"], input=None)


def _count_leaves(members: Any) -> int:
    if not isinstance(members, list | tuple):
        return 0
    inner = [
        member.get("conditions") if isinstance(member, Mapping) else getattr(member, "conditions", None)
        for member in members
    ]
    return sum(
        len(leaves) if isinstance(leaves, list | tuple) else int(not _looks_like_group(member))
        for member, leaves in zip(members, inner, strict=True)
    )
