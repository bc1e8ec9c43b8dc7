"""The fields of every object type, built in and custom."""

from __future__ import annotations

from itertools import count

from pipedrive_orchestration.demo.generator.account import activity_type_options, label_options
from pipedrive_orchestration.demo.generator.custom_fields import CUSTOM_FIELDS, build_fields
from pipedrive_orchestration.demo.generator.fields import built_in_fields
from pipedrive_orchestration.demo.generator.moments import Calendar
from pipedrive_orchestration.demo.generator.randomness import Record
from pipedrive_orchestration.pipedrive.object_types import ACTIVITIES, DEALS, ORGANIZATIONS, PERSONS, PRODUCTS

_FIRST_FIELD_ID = 12_401
_FIRST_OPTION_ID = 101


def make_fields(seed: int, calendar: Calendar, activity_types: dict[int, Record]) -> dict[str, list[Record]]:
    """Field objects by object type, the built-in ones first; numeric and option ids are unique."""
    field_ids, option_ids = count(_FIRST_FIELD_ID), count(_FIRST_OPTION_ID)
    fields: dict[str, list[Record]] = {}
    for object_type in (DEALS, PERSONS, ORGANIZATIONS, PRODUCTS, ACTIVITIES):
        name = object_type.name
        options = {"type": activity_type_options(activity_types)} if object_type is ACTIVITIES else {}
        if object_type.property("label_ids"):
            options["label_ids"] = label_options(name)
        fields[name] = built_in_fields(object_type, field_ids, calendar.opened, options)
        if name in CUSTOM_FIELDS:
            fields[name] += build_fields(name, seed, calendar, field_ids, option_ids)
    return fields
