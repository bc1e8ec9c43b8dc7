"""Exports: records of the warehouse in the shape that clients of Pipedrive's v1 API know, page by page.

A page begins at a position among all rows that a source ever had, in the order of their ids. Rows that are
gone keep their position, so what is imported or removed between two pages makes no record be missed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from pipedrive_orchestration.models.errors import ModelsError
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.sources.whole import whole_sources
from pipedrive_orchestration.warehouse import Warehouse, quoted
from pipedrive_orchestration.warehouse.tables import ROWS, column_types

DEFAULT_LIMIT = 100
MOST_RECORDS = 500
"""Records of a page at most."""

_TIME = "strftime(r.{0}, '%Y-%m-%d %H:%M:%S')"
_DAY = "strftime(r.{0}, '%Y-%m-%d')"


class IncompleteProjectError(ModelsError):
    """A project that does not import what an export consists of; the message says all that is missing."""

    def __init__(self, name: str, missing: Iterable[str]) -> None:
        super().__init__(
            f"the export of {name} needs what the project does not import: {'; '.join(missing)}."
        )


@dataclass(frozen=True, slots=True)
class _Export:
    """An export.

    Attributes:
        needs: properties by object type, of the sources that it reads.
        cells: SQL of each field; ``r`` is the row.
        joins: SQL of what is joined to it.
    """

    needs: Mapping[str, tuple[str, ...]]
    cells: Mapping[str, str]
    joins: str = ""


def _plain(*names: str) -> dict[str, str]:
    return {name: f"r.{name}" for name in names}


def _times(*names: str) -> dict[str, str]:
    return {name: _TIME.format(name) for name in names}


def _named(id_: str, table: str, key: str = "value") -> str:
    """A reference with its name; nothing where there is none."""
    name = "title" if table == "deal" else "name"
    return f"CASE WHEN {id_} IS NOT NULL THEN {{'{name}': {table}.{name}, '{key}': {id_}}} END"


def _user(id_: str) -> str:
    return f"CASE WHEN {id_} IS NOT NULL THEN {{'id': {id_}, 'name': u.name, 'email': u.email}} END"


_USERS = "LEFT JOIN {users} AS u ON u._id = r.owner_id "
_ORGANIZATION = "LEFT JOIN {organizations} AS organization ON organization._id = r.org_id "
_PERSON = "LEFT JOIN {persons} AS person ON person._id = r.person_id "
_STAMPS = _times("add_time", "update_time")
_SEEN = {"visible_to": "r.visible_to::VARCHAR", "label": "r.label_ids[1]", "cc_email": "r.smart_bcc_email"}

_COUNTS = ("open_deals_count", "closed_deals_count", "won_deals_count", "lost_deals_count")

EXPORTS: Mapping[str, _Export] = {
    "persons": _Export(
        {
            "persons": (
                "name",
                "first_name",
                "last_name",
                "emails",
                "phones",
                "org_id",
                "owner_id",
                "add_time",
                "update_time",
                "visible_to",
                "label_ids",
                "smart_bcc_email",
            ),
            "organizations": ("name",),
            "users": ("name", "email"),
        },
        {
            "id": "r._id",
            **_plain("name", "first_name", "last_name"),
            "email": "coalesce(r.emails, [])",
            "phone": "coalesce(r.phones, [])",
            "org_id": _named("r.org_id", "organization"),
            "owner_id": _user("r.owner_id"),
            **_STAMPS,
            **_SEEN,
        },
        _USERS + _ORGANIZATION,
    ),
    "organizations": _Export(
        {
            "organizations": (
                "name",
                "address",
                "owner_id",
                "add_time",
                "update_time",
                "visible_to",
                "label_ids",
                "smart_bcc_email",
            ),
            "users": ("name", "email"),
            "persons": ("org_id",),
            "deals": ("org_id", "status"),
        },
        {
            "id": "r._id",
            "name": "r.name",
            "address": "r.address.value",
            "address_country": "r.address.country",
            "owner_id": _user("r.owner_id"),
            "people_count": "coalesce(people.people_count, 0)",
            **{name: f"coalesce(deals.{name}, 0)" for name in _COUNTS},
            **_STAMPS,
            **_SEEN,
        },
        _USERS
        + "LEFT JOIN (SELECT org_id, count(*) AS people_count FROM {persons} WHERE _is_current GROUP BY 1) "
        "AS people ON people.org_id = r._id LEFT JOIN (SELECT org_id, "
        "count(*) FILTER (WHERE status = 'open') AS open_deals_count, "
        "count(*) FILTER (WHERE status IN ('won', 'lost')) AS closed_deals_count, "
        "count(*) FILTER (WHERE status = 'won') AS won_deals_count, "
        "count(*) FILTER (WHERE status = 'lost') AS lost_deals_count "
        "FROM {deals} WHERE _is_current GROUP BY 1) AS deals ON deals.org_id = r._id",
    ),
    "deals": _Export(
        {
            "deals": (
                "title",
                "value",
                "currency",
                "status",
                "stage_id",
                "pipeline_id",
                "person_id",
                "org_id",
                "owner_id",
                "expected_close_date",
                "add_time",
                "update_time",
                "close_time",
                "won_time",
                "lost_time",
                "visible_to",
                "probability",
                "lost_reason",
            ),
            "persons": ("name",),
            "organizations": ("name",),
            "users": ("name", "email"),
            "stages": ("order_nr",),
        },
        {
            "id": "r._id",
            **_plain("title", "value", "currency", "status", "stage_id"),
            "stage_order_nr": "stage.order_nr",
            "pipeline_id": "r.pipeline_id",
            "person_id": _named("r.person_id", "person"),
            "org_id": _named("r.org_id", "organization"),
            "owner_id": _user("r.owner_id"),
            "expected_close_date": _DAY.format("expected_close_date"),
            **_times("add_time", "update_time", "close_time", "won_time", "lost_time"),
            "visible_to": "r.visible_to::VARCHAR",
            **_plain("probability", "lost_reason"),
        },
        _USERS + _PERSON + _ORGANIZATION + "LEFT JOIN {stages} AS stage ON stage._id = r.stage_id",
    ),
    "notes": _Export(
        {
            "notes": (
                "content",
                "add_time",
                "update_time",
                "user_id",
                "deal_id",
                "person_id",
                "org_id",
                "pinned_to_deal_flag",
                "pinned_to_person_flag",
                "pinned_to_organization_flag",
            ),
            "users": ("name", "email"),
            "deals": ("title",),
            "persons": ("name",),
            "organizations": ("name",),
        },
        {
            "id": "r._id",
            "content": "r.content",
            **_STAMPS,
            "user": _user("r.user_id"),
            "deal": _named("r.deal_id", "deal", "id"),
            "person": _named("r.person_id", "person", "id"),
            "organization": _named("r.org_id", "organization", "id"),
            **_plain("pinned_to_deal_flag", "pinned_to_person_flag", "pinned_to_organization_flag"),
        },
        "LEFT JOIN {users} AS u ON u._id = r.user_id LEFT JOIN {deals} AS deal ON deal._id = r.deal_id "
        + _PERSON
        + _ORGANIZATION,
    ),
    "pipelines": _Export(
        {"pipelines": ("name", "order_nr", "is_deal_probability_enabled", "add_time", "update_time")},
        {
            "id": "r._id",
            "name": "r.name",
            "url_title": "trim(regexp_replace(lower(r.name), '[^\\pL\\pN]+', '-', 'g'), '-')",
            "order_nr": "r.order_nr",
            "active": "true",
            "deal_probability": "r.is_deal_probability_enabled",
            **_STAMPS,
            # Which one a user has selected only the web app knows; it begins with the first.
            "selected": "r._id = (SELECT arg_min(_id, (order_nr, _id)) FROM {pipelines} WHERE _is_current)",
        },
    ),
    "stages": _Export(
        {
            "stages": (
                "name",
                "order_nr",
                "deal_probability",
                "pipeline_id",
                "is_deal_rot_enabled",
                "days_to_rotten",
                "add_time",
                "update_time",
            ),
            "pipelines": ("name",),
        },
        {
            "id": "r._id",
            **_plain("order_nr", "name"),
            "active_flag": "true",
            **_plain("deal_probability", "pipeline_id"),
            "rotten_flag": "r.is_deal_rot_enabled",
            "rotten_days": "r.days_to_rotten",
            **_STAMPS,
            "pipeline_name": "pipeline.name",
        },
        "LEFT JOIN {pipelines} AS pipeline ON pipeline._id = r.pipeline_id",
    ),
}
"""Exports by type."""


@dataclass(frozen=True, slots=True)
class ExportPage:
    """A page of an export.

    Attributes:
        records: as clients of v1 know them.
        next_start: where the next page begins; None after the last one.
    """

    records: list[dict[str, Any]]
    next_start: int | None


def export_page(
    warehouse: Warehouse, sources: Iterable[Source], name: str, *, start: int, limit: int
) -> ExportPage:
    """A page of the records of a type.

    Args:
        warehouse: where they are.
        sources: those of the project.
        name: one of `EXPORTS`.
        start: the position at which the page begins.
        limit: how many records it is to hold.

    Raises:
        IncompleteProjectError: the project has no source of all records that are needed, or lacks properties.
        WarehouseError: the database cannot be opened.
    """
    export, whole = EXPORTS[name], whole_sources(sources)
    with warehouse.reading() as connection:
        missing = list(_missing(connection, export, whole))
        if missing:
            raise IncompleteProjectError(name, missing)
        tables = {kind: quoted(ROWS, whole[kind].slug) for kind in export.needs}
        cells = ", ".join(f"{sql} AS {quoted(key)}" for key, sql in export.cells.items())
        cursor = connection.execute(
            _with_tables(
                f"SELECT r._position, {cells} "
                f"FROM (SELECT *, row_number() OVER (ORDER BY _id) - 1 AS _position FROM {{{name}}}) AS r "
                f"{export.joins} WHERE r._is_current AND NOT r._is_archived AND r._position >= ? "
                "ORDER BY r._position LIMIT ?",
                tables,
            ),
            [start, limit + 1],
        )
        keys = [column[0] for column in cursor.description][1:]
        rows = cursor.fetchall()
    page = rows[:limit]
    records = [dict(zip(keys, map(_value, row[1:]), strict=True)) for row in page]
    return ExportPage(records, page[-1][0] + 1 if len(rows) > limit else None)


def _with_tables(sql: str, tables: Mapping[str, str]) -> str:
    """SQL with tables in the place of their object types, which stand in braces."""
    return re.sub(r"\{(\w+)\}", lambda match: tables[match[1]], sql)


def _missing(
    connection: duckdb.DuckDBPyConnection, export: _Export, whole: Mapping[str, Source]
) -> Iterator[str]:
    for kind, properties in export.needs.items():
        source = whole.get(kind)
        if source is None:
            yield f"add a source of {kind} without filters"
            continue
        columns = column_types(connection, source.slug)
        if not columns:
            yield f"import {source.slug}"
            continue
        lacking = [name for name in properties if name not in columns]
        if lacking:
            yield f"add {', '.join(lacking)} to the properties of {source.slug}"


def _value(value: Any) -> Any:
    """A number without a fraction is written without one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
