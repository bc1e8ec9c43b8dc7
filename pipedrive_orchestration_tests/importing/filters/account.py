"""A made-up account for filters: a deal field of every type, and what a filter finds among records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb

from pipedrive_orchestration.importing.definition import EVERYTHING, Selection, typed_column
from pipedrive_orchestration.importing.filters.compile import compile_filter
from pipedrive_orchestration.importing.filters.names import Names
from pipedrive_orchestration.importing.transform import Transform
from pipedrive_orchestration.pipedrive.catalogue import DEALS
from pipedrive_orchestration.pipedrive.fields import Field, Option
from pipedrive_orchestration.sources import SourceBody

NOW = datetime(2026, 5, 31, 13, 45, 30, tzinfo=UTC)
"""A Sunday, the last day of a month that is longer than the next."""

OPTIONS = {7: "Hot", 8: "Cold", 12: "Not so hot", 15: "7"}
STATUSES = {"open": "Open", "won": "Won", "lost": "Lost"}
VISIBILITY = {"1": "Owner", "3": "Everyone, always"}

TYPES = (
    *("varchar", "varchar_auto", "text", "phone", "varchar_options", "int", "double", "boolean", "date"),
    *("datetime", "enum", "set", "status", "visible_to", "ids", "monetary", "daterange", "time", "timerange"),
    *("address", "contacts", "clock", "uuid", "user", "org", "people", "stage", "pipeline", "deal", "json"),
)


def _options(field_type: str) -> dict[Any, str]:
    if field_type in ("enum", "set", "ids"):
        return OPTIONS
    return {"status": STATUSES, "visible_to": VISIBILITY}.get(field_type, {})


FIELDS = [
    Field(
        key=f"k_{kind}",
        label=f"The {kind}",
        field_type=kind,
        options=tuple(Option(option, label) for option, label in _options(kind).items()),
        is_custom=True,
    )
    for kind in TYPES
]
FIELDS += [
    Field("k_loose", "Numbers without labels", "ids", is_custom=True),
    Field("k_uuids", "Labels of leads", "uuids", is_custom=True),
]

NAMES = Names(
    {
        "user": [("Jane Doe", 1), ("John Roe", 2), ("jane doe", 3)],
        "stage": [("Qualified", 4), ("Qualified", 9)],
        "pipeline": [("Sales", 5)],
        "org": [("Acme, Inc.", 6)],
        "people": [("Ann", 7)],
        "uuids": [("Warm", UUID("f08b42a0-4e75-11ea-9643-03698ef1cfd6"))],
    }
)


def body_of(filters: Any, **more: Any) -> SourceBody:
    """A body of deals with that filter, read as any other."""
    return SourceBody.parse(
        {
            "name": "Filtered",
            "object_type": "deals",
            "properties": ["k_varchar"],
            "pull_mode": "static",
            "filters": filters,
        }
        | more
    )


def compiled(filters: Any, now: datetime = NOW) -> Selection:
    """The selection of a filter in the made-up account."""
    return compile_filter(body_of(filters), FIELDS, NAMES, now)


class Typed:
    """Typed records of the made-up account, of which filters can be asked one after the other."""

    def __init__(
        self, records: Sequence[dict[str, Any]], folder: Path, selection: Selection = EVERYTHING
    ) -> None:
        page, self._path = folder / "page.ndjson", folder / "typed.parquet"
        lines = [json.dumps({"id": number, "custom_fields": record}) for number, record in enumerate(records)]
        page.write_text("\n".join(lines), "utf-8")
        columns = [typed_column(field, DEALS) for field in FIELDS if any(field.key in one for one in records)]
        typing = Transform(DEALS, columns, page.parent, selection)
        typing.write([page], self._path, longest=max(map(len, lines)) * 4)

    def asked(self, sql: str, parameters: Any = None) -> list[bool]:
        """What an expression is for each record."""
        statement = f"SELECT {sql} FROM read_parquet('{self._path}') ORDER BY _id"
        return [row[0] for row in _READER.execute(statement, parameters).fetchall()]

    def found(self, filters: Any) -> list[bool]:
        """Which of the records a filter finds."""
        selection = compiled(filters)
        assert selection.problems == ()
        return self.asked(selection.predicate, dict(selection.values))


_READER = duckdb.connect(config={"threads": 1})


def found(filters: Any, records: Sequence[dict[str, Any]], folder: Path) -> list[bool]:
    """Which of the records a filter finds: values by key, as Pipedrive writes custom fields."""
    selection = compiled(filters)
    assert selection.problems == ()
    return Typed(records, folder, selection).asked("_matches")
