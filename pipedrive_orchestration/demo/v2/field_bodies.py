"""The bodies of v2 writes of custom fields and their options (docs/pipedrive-api.md#writes; OpenAPI v2)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from pipedrive_orchestration.demo.bodies import Body, Text

FieldName = Annotated[Text, Field(max_length=255)]


class OptionLabel(Body):
    """An option to add."""

    label: FieldName


class OptionId(Body):
    """An option to delete."""

    id: int


class Option(Body):
    """An option to rename."""

    id: int
    label: FieldName


class FieldOfProduct(Body):
    """``PATCH /productFields/{field_code}``."""

    field_name: FieldName = ""
    ui_visibility: dict[str, Any] = Field(default_factory=dict)


class FieldOfPerson(FieldOfProduct):
    """``PATCH /personFields/{field_code}`` and that of organizations."""

    important_fields: dict[str, Any] = Field(default_factory=dict)
    required_fields: dict[str, Any] = Field(default_factory=dict)


class FieldOfDeal(FieldOfPerson):
    """``PATCH /dealFields/{field_code}``."""

    description: str | None = None


class NewField(Body):
    """``POST`` of a field of any object type: what it needs beside the keys that PATCH has, too."""

    field_name: FieldName
    field_type: Literal[
        "varchar", "varchar_auto", "text", "double", "monetary", "enum", "set", "user",
        "org", "people", "phone", "date", "daterange", "time", "timerange", "address",
    ]  # fmt: skip
    options: list[OptionLabel] = Field(default_factory=list)


class NewFieldOfProduct(NewField, FieldOfProduct):
    """``POST /productFields``."""


class NewFieldOfPerson(NewField, FieldOfPerson):
    """``POST /personFields`` and ``POST /organizationFields``."""


class NewFieldOfDeal(NewField, FieldOfDeal):
    """``POST /dealFields``."""
