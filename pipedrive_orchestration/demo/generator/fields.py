"""Field objects in the v2 shape, with what only v1 or the account itself knows.

See docs/pipedrive-api.md#fields.

Private keys beside the shape: ``_id`` (the numeric id of v1), ``_add_time``, ``_update_time``,
``_active`` (False once the field was deleted) and ``_options_deleted``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from pipedrive_orchestration.demo.generator.custom_fields import CUSTOM_FIELDS
from pipedrive_orchestration.demo.generator.moments import DAY, Calendar, v1_time
from pipedrive_orchestration.demo.generator.randomness import hash_key, stream
from pipedrive_orchestration.demo.records import Record, Records
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN

_TYPES = {
    "datetime": "date",
    "uuid": "lead",
    "contacts": "varchar",
    "ids": "set",
    "clock": "time",
    "pipeline": "int",
    "persons": "people",
    "orgs": "org",
}
"""Shapes of the catalogue that Pipedrive's own list of field types lacks, and its word for each."""

_SPECIAL_TYPES = {
    "phones": "phone",
    "value": "monetary",
    "picture_id": "picture",
    "billing_frequency": "billing_frequency",
}

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

_PROJECT_STATUSES = [
    {"id": status, "label": status.capitalize()} for status in ("open", "completed", "canceled", "deleted")
]

_IMPORTANT_FIELDS_OF = ("deals", "persons", "organizations", "projects")
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


FIELD_LISTS = {
    "deals": "deal_fields",
    "persons": "person_fields",
    "organizations": "organization_fields",
    "products": "product_fields",
    "activities": "activity_fields",
    "projects": "project_fields",
}
"""Collections whose fields can be listed, and what their lists are called."""

_FIRST_FIELD_ID = 12_401
_FIRST_OPTION_ID = 101

_LABEL_OPTIONS = {
    "deals": (11, (("Strategic", "purple"), ("Urgent, this week", "red"), ("Tender", "blue"))),
    "persons": (21, (("Customer", "green"), ("Hot lead", "red"), ("Do not call", "dark-gray"))),
    "organizations": (31, (("Customer", "green"), ("Supplier", "brown"), ("Competitor", "gray"))),
    "projects": (41, (("Fast track", "red"), ("Subsidised", "green"))),
}
"""Id of the first label that ``label_ids`` of a collection may hold, and name and colour of each."""


def label_options(name: str) -> list[Record]:
    """The options of ``label_ids``; label ids are numbers, as in records."""
    first, labels = _LABEL_OPTIONS[name]
    return [
        {"id": first + place, "label": label, "color": color} for place, (label, color) in enumerate(labels)
    ]


def make_fields(seed: int, calendar: Calendar, activity_types: Records) -> dict[str, list[Record]]:
    """Field objects by collection, the built-in ones first; numeric and option ids are unique.

    Args:
        seed: decides the keys of custom fields.
        calendar: when the account was opened.
        activity_types: the options of an activity's ``type``, whose value is a type's ``key_string``.
    """
    field_ids, option_ids = count(_FIRST_FIELD_ID), count(_FIRST_OPTION_ID)
    types = [{"id": one["key_string"], "label": one["name"]} for one in activity_types.values()]
    return {
        name: [
            *_built_in_fields(name, field_ids, calendar.opened, types),
            *_custom_fields(name, seed, calendar, field_ids, option_ids),
        ]
        for name in FIELD_LISTS
    }


def _built_in_fields(
    name: str, ids: Iterator[int], opened: int, activity_types: list[Record]
) -> Iterator[Record]:
    for prop in BUILT_IN[name].properties:
        field_type = _SPECIAL_TYPES.get(prop.key) or _TYPES.get(prop.field_type, prop.field_type)
        options = _OPTIONS.get(prop.key)
        if prop.key == "label_ids":
            options = label_options(name)
        elif (name, prop.key) == ("projects", "status"):
            options = _PROJECT_STATUSES
        elif (name, prop.key) == ("activities", "type"):
            field_type, options = "enum", activity_types
        label = _LABELS.get(prop.key, prop.label)
        field = make_field(name, prop.key, label, field_type, next(ids), opened, options)
        yield field | {"is_optional_response_field": prop.optional}


def _custom_fields(
    name: str, seed: int, calendar: Calendar, field_ids: Iterator[int], option_ids: Iterator[int]
) -> Iterator[Record]:
    rng = stream(seed, f"{name} custom fields")
    for place, custom in enumerate(CUSTOM_FIELDS.get(name, ())):
        code, added = hash_key(seed, name, str(place)), calendar.opened + int(rng.random() * 60 * DAY)
        number, options = next(field_ids), _options(custom.options, option_ids) or None
        field = make_field(name, code, custom.label, custom.field_type, number, added, options)
        deleted = _options(custom.deleted_options, option_ids)
        yield field | {"_options_deleted": deleted, "_active": not custom.deleted}


def _options(labels: tuple[str, ...], ids: Iterator[int]) -> list[Record]:
    return [{"id": next(ids), "label": label} for label in labels]


def make_field(
    name: str,
    code: str,
    label: str,
    field_type: str,
    number: int,
    added: int,
    options: list[Record] | None = None,
) -> Record:
    """A field object with every key that OpenAPI /dealFields and its siblings know for the collection.

    Args:
        name: the collection.
        code: key of its values, from which one sees whether it is a custom field.
        label: what people call it.
        field_type: Pipedrive's word.
        number: its numeric id in v1.
        added: when it was, in seconds since 1970.
        options: what its values can be, if they are limited.
    """
    is_custom = BUILT_IN[name].property(code) is None
    visible = {"add_visible_flag": is_custom, "details_visible_flag": True}
    field: Record = {
        "field_name": label,
        "field_code": code,
        "field_type": field_type,
        "options": options,
        "subfields": subfields(field_type, label),
        "is_custom_field": is_custom,
        "is_optional_response_field": False,
        "ui_visibility": {**visible, **_UI_VISIBILITY.get(name, {})},
    }
    if name == "deals" and not is_custom:
        field["description"] = f"The {label.lower()} of the deal"
    if name in _IMPORTANT_FIELDS_OF:
        of_deals: Record = {"stage_ids": [], "statuses": {}} if name == "deals" else {}
        field["important_fields"] = {"enabled": False, "stage_ids": []}
        field["required_fields"] = {"enabled": False, **of_deals}
    return field | {
        "_id": number,
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
