"""The filter of a source: groups joined by AND or OR, and leaves that each test one field.

Only the shape is checked here. What a condition means, and whether a field's type can take it, is
decided where filters are evaluated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    Tag,
)

from pipedrive_orchestration.sources.problems import refusal, tag
from pipedrive_orchestration.sources.texts import Text

VariableType = Literal["string", "number", "date", "datetime", "boolean", "enum", "array"]
"""How a leaf wants its field compared; the field's own type decides where it is not given."""


def _scalar(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()  # YAML has read an unquoted 2026-01-31; a filter holds it as written
    if isinstance(value, float) and not math.isfinite(value):
        raise refusal("finite_number", "Must be a finite number.")
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


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


class FilterLeaf(BaseModel):
    """One test of one field.

    ``operator`` is either an alias of ``condition`` or, as AND or OR, a hint how the leaf is joined.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    variable: Text
    condition: Text | None = None
    operator: Text | None = None
    variable_type: VariableType | None = None
    values: tuple[Scalar, ...] | None = None
    value: Scalars | None = None
    case_sensitive: StrictBool = False


class FilterGroup(BaseModel):
    """Conditions joined by ``operator``; an empty group restricts nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    operator: Annotated[Literal["AND", "OR"], BeforeValidator(_upper)] = "AND"
    conditions: tuple[FilterNode, ...] = ()


def _kind(value: Any) -> str:
    if isinstance(value, FilterGroup | FilterLeaf):
        return tag(type(value))
    looks_like_group = isinstance(value, Mapping) and (
        "conditions" in value or value.keys() <= FilterGroup.model_fields.keys()
    )
    return tag(FilterGroup if looks_like_group else FilterLeaf)


FilterNode = Annotated[
    Annotated[FilterGroup, Tag(tag(FilterGroup))] | Annotated[FilterLeaf, Tag(tag(FilterLeaf))],
    Discriminator(_kind),
]
"""A member of a group: another group, or a leaf."""

FilterGroup.model_rebuild()
