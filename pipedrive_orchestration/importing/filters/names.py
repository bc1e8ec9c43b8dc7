"""Names in a filter that stand for records: owners, organizations, persons, stages, pipelines, labels.

Short lists (users, stages, pipelines, labels of leads) are read once; organizations and persons are
searched for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from pipedrive_orchestration.pipedrive.catalogue import (
    LEAD_LABELS,
    ORGANIZATIONS,
    PERSONS,
    PIPELINES,
    STAGES,
    USERS,
)
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.lookup import NamedRecord, named_records, records_by_name

_LISTED = {"user": USERS, "stage": STAGES, "pipeline": PIPELINES, "uuids": LEAD_LABELS}
_SEARCHED = {"org": ORGANIZATIONS, "people": PERSONS}

NAMED_TYPES = {
    "user": "user",
    "stage": "stage",
    "pipeline": "pipeline",
    "uuids": "label",
    "org": "organization",
    "people": "person",
}
"""Field types whose values can be given by name, and what they name."""

Id = int | UUID

_ID = re.compile(r"\d{1,18}", re.ASCII)


@dataclass(slots=True)
class Names:
    """Ids by name, for each field type."""

    entries: dict[str, list[tuple[str, Id]]] = field(default_factory=dict)

    def ids(self, field_type: str, name: str, *, case_sensitive: bool) -> list[Id]:
        """All records of that name; several can have the same."""
        entries = self.entries.get(field_type, [])
        if case_sensitive:
            return [record_id for known, record_id in entries if known == name]
        return [record_id for known, record_id in entries if known.casefold() == name.casefold()]

    def known(self, field_type: str) -> list[str]:
        """The names that were read."""
        return [known for known, _ in self.entries.get(field_type, [])]


def id_of(field_type: str, value: object) -> Id | None:
    """The id that a value is, or None where it is a name."""
    if isinstance(value, bool):
        return None
    if field_type == "uuids":
        try:
            return UUID(str(value))
        except ValueError:
            return None
    text = str(value).strip()
    return int(text) if _ID.fullmatch(text) else None


async def read_names(client: Client, wanted: Mapping[str, Iterable[str]]) -> Names:
    """Look up names.

    Args:
        client: the connection in use.
        wanted: names by field type, all of `NAMED_TYPES`.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    names = Names()
    for field_type, texts in wanted.items():
        if field_type in _LISTED:
            found = await named_records(client, _LISTED[field_type])
        else:
            collection = _SEARCHED[field_type]
            found = [
                record for text in sorted(texts) for record in await records_by_name(client, collection, text)
            ]
        names.entries[field_type] = _entries(field_type, found)
    return names


def _entries(field_type: str, records: Iterable[NamedRecord]) -> list[tuple[str, Id]]:
    entries = []
    for record in records:
        record_id = id_of(field_type, record.id)
        if record.name and record_id is not None:
            entries.append((record.name, record_id))
    return entries
