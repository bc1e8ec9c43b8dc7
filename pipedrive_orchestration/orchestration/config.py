"""Run config that mirrors the body of a source.

An asset takes its source's body, with the source's own values as defaults, and the pull: the Launchpad
shows the body as it is configured and lets one run deviate from it. A job takes a body as a user would
post it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import dagster as dg

from pipedrive_orchestration.importing import Pull
from pipedrive_orchestration.pipedrive.object_types import CATALOGUE
from pipedrive_orchestration.sources import InvalidBodyError, Problem, Source


def _choice(name: str, *values: str) -> dg.Enum:
    # Dagster matches an enum by the names of its values, so names and values are the same here.
    return dg.Enum(name, [dg.EnumValue(value) for value in values])


_PULL = _choice("Pull", *(pull.value for pull in Pull))
_PULL_MODE = _choice("PullMode", "static", "active")
_PARTITIONS = _choice("Partitions", "daily", "weekly", "monthly")
_ON_LEAVE = _choice("OnLeave", "flag", "delete")

_OPERATOR = _choice("Operator", "AND", "OR")
OBJECT_TYPE = _choice("ObjectType", *CATALOGUE)
"""The object types of the catalogue, as a choice."""

_ANYTHING = dg.Permissive()  # type: ignore[no-untyped-call] # Dagster left its constructor untyped

_FIELDS: Mapping[str, tuple[Any, str]] = {
    "name": (str, "The source's name."),
    "object_type": (str, "The Pipedrive collection; fixed at creation."),
    "properties": ([str], "Keys of the fields to import: built-in names or 40-hex custom keys."),
    "properties_metadata": ([_ANYTHING], "Labels for properties."),
    "filters": (dg.Noneable(_ANYTHING), "Which records: groups of conditions joined by AND or OR."),
    "pull_mode": (_PULL_MODE, "static is imported by hand only, active follows its schedule as well."),
    "schedule": (dg.Noneable(str), "Five cron fields, UTC."),
    "expiration_date": (dg.Noneable(str), "The last day (UTC) on which the schedule fires, YYYY-MM-DD."),
    "pull_existing": (bool, "Whether records from before the source's creation are imported."),
}

_OPTIONS: Mapping[str, tuple[Any, str]] = {
    "partitions": (_PARTITIONS, "Cadence of the windows; fixed at creation."),
    "partitions_start": (dg.Noneable(str), "Month of the first window, YYYY-MM; fixed at creation."),
    "include_archived": (bool, "Archived records are members like any other."),
    "history": (bool, "Keep every version seen."),
    "on_leave": (_ON_LEAVE, "What becomes of a row that leaves the filter."),
    "owners": ([str], "E-mail addresses or team:<name>."),
    "max_tokens": (dg.Noneable(int), "Tokens that the first import may cost; checked at creation."),
}

_LABEL = {
    "name": (str, "The property, as an item {name, label, field_type?}."),
    "label": (str, "What it is called here."),
    "field_type": (str, "Its field type."),
    "value": (str, "The property, as an item {value, label, extras} of the property options."),
    "extras": (_ANYTHING, "What the property options say beside value and label."),
}

_LEAF = {
    "variable": (str, "The field to test; it need not be imported."),
    "condition": (str, "equals, not equals, contains, starts with, is empty, greater than, is between, ..."),
    "operator": (str, "An alias of condition; AND or OR in a group."),
    "variable_type": (
        _choice("VariableType", "string", "number", "date", "datetime", "boolean", "enum", "array"),
        "How to compare; follows from the field if not given.",
    ),
    "values": ([dg.Any], "What to compare with."),
    "value": (dg.Any, "The same, for a single value."),
    "case_sensitive": (bool, "Whether capitals count; they do not unless told so."),
}

FILTER_LEVELS = 3
"""How deeply groups of a filter can be nested in the config of a job; files know no such limit."""

_REQUIRED = ("name", "object_type", "properties", "pull_mode")

_FIXED = ("object_type", "options.partitions", "options.partitions_start")


def config_schema_of(source: Source) -> dict[str, dg.Field]:
    """The config schema of a source's asset; every field has a default."""
    values = _values(source)
    options = values.pop("options")
    schema = {field: _field(field, json.dumps(value)) for field, value in values.items()}
    return {**schema, "options": _options_field(json.dumps(options)), **_OF_A_RUN}


# Building a field takes Dagster a third of a millisecond, and most fields are the same in many sources.
@lru_cache(maxsize=4096)
def _field(field: str, default: str) -> dg.Field:
    type_, description = _FIELDS[field]
    return dg.Field(type_, default_value=json.loads(default), is_required=False, description=description)


@lru_cache(maxsize=512)
def _options_field(defaults: str) -> dg.Field:
    options = json.loads(defaults)
    fields = {
        name: dg.Field(type_, default_value=options[name], is_required=False, description=description)
        for name, (type_, description) in _OPTIONS.items()
    }
    return dg.Field(fields, default_value=options, is_required=False, description="Extensions of the body.")


_OF_A_RUN = {
    "pull": dg.Field(
        _PULL,
        default_value=Pull.WINDOW.value,
        is_required=False,
        description="window reads the chosen windows completely, changes what changed since the watermark.",
    ),
    "accept_user": dg.Field(
        bool,
        default_value=False,
        is_required=False,
        description="Remove what the connected user does not see, although another user saw it before.",
    ),
}


def body_schema() -> dict[str, dg.Field]:
    """The config schema of a job that takes a body: strict at every level, nothing filled in."""
    groups = {
        "operator": dg.Field(_OPERATOR, is_required=False, description="How the conditions are joined."),
        "conditions": _conditions(FILTER_LEVELS),
    }
    mirrored: dict[str, tuple[Any, str]] = {
        **_FIELDS,
        "object_type": (OBJECT_TYPE, "The Pipedrive collection."),
        "properties_metadata": ([_optional(_LABEL)], "Labels for properties."),
        "filters": (groups, "Which records: groups of conditions joined by AND or OR."),
        "schedule": (str, "Five cron fields, UTC; needed when active."),
        "expiration_date": (str, "The last day (UTC) on which the schedule fires, YYYY-MM-DD."),
        "options": (_optional(_OPTIONS), "Extensions of the body."),
    }
    return {
        field: dg.Field(type_, is_required=field in _REQUIRED, description=description)
        for field, (type_, description) in mirrored.items()
    }


def _conditions(levels: int) -> dg.Field:
    node = _optional(_LEAF)
    if levels > 1:
        node["conditions"] = _conditions(levels - 1)
    return dg.Field([node], is_required=False, description="Leaves, or groups of them.")


def _optional(fields: Mapping[str, tuple[Any, str]]) -> dict[str, dg.Field]:
    return {
        field: dg.Field(type_, is_required=False, description=description)
        for field, (type_, description) in fields.items()
    }


def source_of_run(source: Source, config: Mapping[str, Any]) -> Source:
    """The source as a run's config has it.

    Raises:
        InvalidBodyError: The config is no body, or changes what is fixed at creation.
    """
    body = {field: config[field] for field in (*_FIELDS, "options")}
    identity = {"slug": source.slug, "id": source.id, "created_at": source.created_at}
    changed = Source.parse(body | identity)
    problems = [
        Problem(field, "fixed", "Was fixed when the source was created; create another source instead.")
        for field in _FIXED
        if _at(_values(changed), field) != _at(_values(source), field)
    ]
    if problems:
        raise InvalidBodyError(problems)
    return changed


def _values(source: Source) -> dict[str, Any]:
    return source.model_dump(mode="json", include={*_FIELDS, "options"})


def _at(values: Mapping[str, Any], path: str) -> Any:
    for part in path.split("."):
        values = values[part]
    return values
