"""The filter of a source: groups joined by AND or OR, and leaves that each test one field.

What does not depend on the account is checked here: the shape, the words of the vocabulary, how many
values a condition takes, how deep groups nest and how many leaves there are. Whether the account has
the field, and whether its type can take the condition and the values, is decided where filters are
compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from pipedrive_orchestration.sources.filter_leaf import FilterLeaf, Joiner
from pipedrive_orchestration.sources.problems import refusal, tag

MAX_LEAVES = 100
"""How many leaves a filter may have."""


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    operator: Annotated[Joiner | None, BeforeValidator(_upper)] = None
    conditions: tuple[BaseModel, ...] = ()

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

    conditions: tuple[Annotated[FilterLeaf, BeforeValidator(_leaf)], ...] = ()


_SUBGROUP = "<FilterGroup>"
"""Tag of a group: both kinds have the same fields."""

FilterNode = Annotated[
    Annotated[FilterSubgroup, Tag(_SUBGROUP)] | Annotated[FilterLeaf, Tag(tag(FilterLeaf))],
    Discriminator(lambda value: _SUBGROUP if _looks_like_group(value) else tag(FilterLeaf)),
]
"""A member of a filter: a group of leaves, or a leaf."""


class FilterGroup(_Group):
    """A filter: groups and leaves joined by ``operator``; an empty group restricts nothing."""

    conditions: tuple[FilterNode, ...] = ()

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
