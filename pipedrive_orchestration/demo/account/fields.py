"""The fields of one object type: v2 field objects with what only v1 knows beside them.

Private keys, never shown: ``_id`` (numeric v1 id), ``_add_time``, ``_update_time``, ``_active`` (False
once deleted), ``_options_deleted``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

Field = dict[str, Any]

OPTIONAL = frozenset({"ui_visibility", "important_fields", "required_fields"})
"""Keys of a field object that come only through ``include_fields`` (OpenAPI v2 ``/dealFields``), where a list
has that parameter."""


class Fields:
    """The fields of one object type, by code and by numeric id."""

    def __init__(self, fields: Iterable[Field]) -> None:
        self._fields = {field["field_code"]: field for field in fields}

    def __iter__(self) -> Iterator[Field]:
        """Active fields by numeric id."""
        return iter(sorted((f for f in self._fields.values() if f["_active"]), key=lambda f: int(f["_id"])))

    def every(self) -> Iterator[Field]:
        """All fields, deleted ones included."""
        return iter(list(self._fields.values()))

    def get(self, code: str) -> Field | None:
        """The active field of that code."""
        field = self._fields.get(code)
        return field if field is not None and field["_active"] else None

    def custom(self, code: str) -> Field | None:
        """The active custom field of that code."""
        field = self.get(code)
        return field if field is not None and field["is_custom_field"] else None

    def custom_codes(self) -> list[str]:
        """Codes of the active custom fields."""
        return [field["field_code"] for field in self if field["is_custom_field"]]

    def by_numeric_id(self, field_id: str) -> Field | None:
        """The active field that v1 filters call by this number."""
        return next((field for field in self if str(field["_id"]) == field_id), None)

    def put(self, field: Field) -> None:
        """Adds the field, or puts it in the place of the one with its code."""
        self._fields[field["field_code"]] = field

    def option_labels(self, code: str) -> dict[Any, str]:
        """Labels of a field's options by id; deleted options are not among them."""
        field = self.get(code)
        return {} if field is None else {option["id"]: option["label"] for option in field["options"] or ()}


def shown(field: Field, include: Iterable[str] = ()) -> Field:
    """The field as an answer shows it."""
    hidden = OPTIONAL.difference(include)
    return {key: value for key, value in field.items() if key not in hidden and not key.startswith("_")}
