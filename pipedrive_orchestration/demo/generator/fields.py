"""Field objects in the v2 shape, with what only v1 or the account itself knows.

See docs/pipedrive-api.md#fields.

Private keys beside the shape: ``_id`` (the numeric id of v1), ``_add_time``, ``_update_time``,
``_active`` (False once the field was deleted) and ``_options_deleted``.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipedrive_orchestration.demo.generator.moments import v1_time
from pipedrive_orchestration.demo.generator.randomness import Record
from pipedrive_orchestration.pipedrive.builtin_fields import Property
from pipedrive_orchestration.pipedrive.object_types import ObjectType

_TYPES = {
    "datetime": "date",
    "uuid": "lead",
    "contacts": "varchar",
    "ids": "set",
    "clock": "time",
    "pipeline": "int",
}
"""Shapes of the catalogue that Pipedrive's own list of field types lacks, and its word for each."""

_SPECIAL_TYPES = {"phones": "phone", "value": "monetary", "picture_id": "picture"}

_LABELS = {
    "id": "ID",
    "add_time": "Created",
    "update_time": "Update time",
    "owner_id": "Owner",
    "org_id": "Organization",
    "person_id": "Contact person",
    "pipeline_id": "Pipeline",
    "stage_id": "Stage",
    "label_ids": "Label",
    "visible_to": "Visible to",
    "emails": "Email",
    "phones": "Phone",
    "im": "Instant messenger",
    "picture_id": "Profile picture",
    "creator_user_id": "Creator",
    "is_linkable": "Selectable",
    "prices": "Price",
    "acv": "ACV",
    "arr": "ARR",
    "mrr": "MRR",
}

ADDRESS_PARTS = (
    ("value", "Address value"),
    ("street_number", "House number"),
    ("route", "Street/road name"),
    ("subpremise", "Apartment/suite"),
    ("sublocality", "District"),
    ("locality", "City/town/village/locality"),
    ("admin_area_level_1", "State/county"),
    ("admin_area_level_2", "Region"),
    ("country", "Country"),
    ("postal_code", "ZIP/postal code"),
    ("formatted_address", "Full/combined address"),
)

_SUBFIELDS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "monetary": (("value", "Amount", "double"), ("currency", "Currency", "varchar")),
    "daterange": (("value", "Start date", "date"), ("until", "End date", "date")),
    "time": (("value", "Time", "time"), ("timezone_id", "Timezone ID", "int")),
    "timerange": (
        ("value", "Start time", "time"),
        ("until", "End time", "time"),
        ("timezone_id", "Timezone ID", "int"),
    ),
    "address": tuple((code, name, "varchar") for code, name in ADDRESS_PARTS),
}

_OPTIONS: dict[str, list[Record]] = {
    "status": [{"id": status, "label": status.capitalize()} for status in ("open", "won", "lost", "deleted")],
    "visible_to": [
        {"id": "1", "label": "Item owner"},
        {"id": "3", "label": "Owner's visibility group"},
        {"id": "5", "label": "Owner's visibility group and sub-groups"},
        {"id": "7", "label": "All users"},
    ],
    "billing_frequency": [
        {"id": frequency, "label": frequency.capitalize()}
        for frequency in ("one-time", "annually", "semi-annually", "quarterly", "monthly", "weekly")
    ],
}

_IMPORTANT_FIELDS_OF = ("deals", "persons", "organizations")
_ALL_PIPELINES: Record = {"show_in_all": True, "pipeline_ids": []}
_UI_VISIBILITY: dict[str, Record] = {
    "deals": {"projects_detail_visible_flag": True, "show_in_pipelines": _ALL_PIPELINES},
    "persons": {"show_in_add_deal_dialog": {"show": False, "order": None}},
    "organizations": {
        "org_detail_visible_flag": True,
        "person_detail_visible_flag": False,
        "deal_detail_visible_flag": False,
        "show_in_add_deal_dialog": {"show": False, "order": None},
    },
}


def built_in_fields(
    object_type: ObjectType, ids: Iterator[int], opened: int, options: dict[str, list[Record]]
) -> list[Record]:
    """One field for each property of the catalogue.

    Args:
        object_type: whose properties.
        ids: where the numeric v1 ids come from.
        opened: when the account was made, in seconds since 1970.
        options: the options of properties that have the account's own, by key (labels, activity types).
    """
    return [
        make_field(
            object_type.name,
            code=prop.key,
            label=_LABELS.get(prop.key, prop.label),
            field_type=_field_type(object_type, prop),
            identifier=next(ids),
            added=opened,
            options=options.get(prop.key, _OPTIONS.get(prop.key)),
        )
        | {"is_optional_response_field": prop.optional}
        for prop in object_type.properties
    ]


def _field_type(object_type: ObjectType, prop: Property) -> str:
    if prop.key == "billing_frequency":
        return "billing_frequency"
    if object_type.name == "activities" and prop.key == "type":
        return "enum"
    return _SPECIAL_TYPES.get(prop.key) or _TYPES.get(prop.field_type, prop.field_type)


def make_field(
    object_type: str,
    *,
    code: str,
    label: str,
    field_type: str,
    identifier: int,
    added: int,
    options: list[Record] | None = None,
    is_custom: bool = False,
) -> Record:
    """A field object with every key that OpenAPI /dealFields and its siblings know for the object type."""
    field: Record = {
        "field_name": label,
        "field_code": code,
        "field_type": field_type,
        "options": options,
        "subfields": subfields(field_type, label),
        "is_custom_field": is_custom,
        "is_optional_response_field": False,
        "ui_visibility": {
            "add_visible_flag": is_custom,
            "details_visible_flag": True,
            **_UI_VISIBILITY.get(object_type, {}),
        },
    }
    if object_type == "deals" and not is_custom:
        field["description"] = f"The {label.lower()} of the deal"
    if object_type in _IMPORTANT_FIELDS_OF:
        field["important_fields"] = {"enabled": False, "stage_ids": []}
        field["required_fields"] = (
            {"enabled": False, "stage_ids": [], "statuses": {}}
            if object_type == "deals"
            else {"enabled": False}
        )
    return field | {
        "_id": identifier,
        "_add_time": v1_time(added),
        "_update_time": v1_time(added) if is_custom else None,
        "_active": True,
        "_options_deleted": [],
    }


def subfields(field_type: str, label: str) -> list[Record] | None:
    """The parts of a compound field type, or None for a simple one."""
    parts = _SUBFIELDS.get(field_type)
    if parts is None:
        return None
    return [
        {"field_code": code, "field_name": f"{name} of {label}", "field_type": kind}
        for code, name, kind in parts
    ]


def note_fields() -> list[Record]:
    """The fields of notes in their short v1 form (OpenAPI v1 /noteFields)."""
    plain = (("content", "Content", "text"), ("deal_id", "Deal", "deal"), ("person_id", "Person", "people"))
    fields = [_note_field(key, name, kind) for key, name, kind in plain]
    yes_no = [{"id": 1, "label": "Yes"}, {"id": 0, "label": "No"}]
    for target in ("deal", "person", "organization", "lead"):
        pinned = _note_field(f"pinned_to_{target}_flag", f"Note is pinned to {target}", "enum")
        fields.append(pinned | {"options": yes_no, "mandatory_flag": False})
    return [{"id": position, **field} for position, field in enumerate(fields, start=1)]


def _note_field(key: str, name: str, field_type: str) -> Record:
    return {
        "key": key,
        "name": name,
        "field_type": field_type,
        "active_flag": True,
        "edit_flag": False,
        "bulk_edit_allowed": True,
        "mandatory_flag": key == "content",
    }
