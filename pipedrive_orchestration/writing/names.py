"""The names behind references, as an account has them: read once, and only where a value needs them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.lookup import records_by_ids, records_by_name
from pipedrive_orchestration.pipedrive.pagination import pages
from pipedrive_orchestration.sources.validation import did_you_mean
from pipedrive_orchestration.writing.kinds import REFERENCES, SEVERAL, Property, ValueRefusedError, several

Record = Mapping[str, Any]

LISTED = frozenset(
    {
        "users",
        "pipelines",
        "stages",
        "lead_labels",
        "activity_types",
        "currencies",
        "boards",
        "phases",
        "roles",
    }
)
"""Collections that are short enough to be read as a whole."""

SEARCHED = frozenset({"persons", "organizations"})
"""Collections that are searched for a name; others are referred to by their ids alone."""

_IDS = {
    "activity_types": "key_string",
    "currencies": "code",
    **{collection: "field_code" for kind, collection in REFERENCES.items() if kind.endswith(" field")},
}
"""The keys by which bodies refer to records, where that is not the id."""

_UUID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(slots=True)
class _Known:
    """What is known of a collection: ids by name, names by id, and ids that are certainly there."""

    ids: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    names: dict[Any, str] = field(default_factory=dict)
    is_whole: bool = False
    missing: set[str] = field(default_factory=set)

    def add(self, record_id: Any, *names: str | None) -> None:
        for name in dict.fromkeys(filter(None, names)):
            self.ids[name.casefold()].append(record_id)
            self.names.setdefault(record_id, name)


class AccountNames:
    """The names of an account, as far as they have been read.

    Args:
        checks_ids: whether ids of records in long collections are looked up as well, which costs 10 tokens
            for each hundred.
    """

    def __init__(self, *, checks_ids: bool = True) -> None:
        self._checks_ids = checks_ids
        self._known: dict[str, _Known] = defaultdict(_Known)

    def add(self, object_type: str, record: Record) -> None:
        """Take note of a record that was read anyway."""
        self._add(object_type, record)

    async def load(self, client: Client, values: Iterable[tuple[Property, Any]]) -> None:
        """Read what is needed to understand some values.

        Args:
            client: the connection in use.
            values: properties and what was written for them.

        Raises:
            PipedriveError: see :meth:`Client.get`.
        """
        wanted: dict[str, set[Any]] = defaultdict(set)
        for prop, raw in values:
            for object_type, name in _references(prop, raw):
                wanted[object_type].add(name)
        for object_type, names in wanted.items():
            if object_type in LISTED:
                await self._read_list(client, object_type)
            else:
                await self._look_up(client, object_type, names)

    async def _read_list(self, client: Client, object_type: str) -> None:
        known = self._known[object_type]
        if known.is_whole:
            return
        if object_type == "stages":
            await self._read_list(client, "pipelines")
        async for page in pages(client, BUILT_IN[object_type].listing, {}):
            for record in map(msgspec.json.decode, page.whole_records()):
                if record.get("active_flag") is not False or object_type == "users":
                    self._add(object_type, record)
        known.is_whole = True

    def _add(self, object_type: str, record: Record) -> None:
        record_id = record[_IDS.get(object_type, "id")]
        names = [record.get("name") or record.get("field_name")]
        if object_type == "users":
            names.append(record.get("email"))
        if object_type == "stages":
            pipeline = self.name_of("pipelines", record.get("pipeline_id"))
            names.append(f"{pipeline} / {record.get('name')}")
        if object_type in _IDS:
            names.append(str(record_id))
        self._known[object_type].add(record_id, *names)

    async def _look_up(self, client: Client, object_type: str, names: set[Any]) -> None:
        known, row = self._known[object_type], BUILT_IN[object_type]
        ids = [str(name) for name in names if _is_id(object_type, name) and name not in known.names]
        if ids and self._checks_ids:
            found = await records_by_ids(client, row, {}, [one.lower() for one in ids])
            records = [msgspec.json.decode(r) for page in found.pages for r in page.whole_records()]
            there = {str(record["id"]) for record in records if not record.get("is_deleted")}
            known.missing |= {one for one in ids if one.lower() not in there}
            for record in records:
                known.names[record["id"]] = record.get("name") or record.get("title") or str(record["id"])
        if object_type in SEARCHED:
            for name in (str(name) for name in names if not _is_id(object_type, name)):
                if name.casefold() not in known.ids:
                    for found_record in await records_by_name(client, row, name.strip()):
                        known.add(found_record.id, found_record.name)

    def id_of(self, object_type: str, name: Any) -> Any:
        """The id that a name or an id means; see :class:`Names`."""
        if isinstance(name, float) and name.is_integer():
            # Columns of numbers have no whole ones.
            name = int(name)
        known = self._known[object_type]
        if _is_id(object_type, name):
            record_id = name if object_type in ("leads", "lead_labels") else int(name)
            is_missing = record_id not in known.names if known.is_whole else str(name) in known.missing
            if is_missing:
                raise ValueRefusedError(f"refers to {_noun(object_type)} {name}, which is not there.")
            return str(record_id) if object_type in ("leads", "lead_labels") else record_id
        found = list(dict.fromkeys(known.ids.get(str(name).strip().casefold(), ())))
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(map(str, found))
            hint = " (or `pipeline / stage`)" if object_type == "stages" else ""
            raise ValueRefusedError(
                f"names several of {object_type} with `{name}`: write one of the ids {listed}{hint}."
            )
        if object_type not in LISTED and object_type not in SEARCHED and not known.names:
            raise ValueRefusedError(f"is the id of {_noun(object_type)}, not `{name}`.")
        names = dict.fromkeys(known.names.values()) if object_type not in SEARCHED else {}
        listed = f" There are: {', '.join(names)}." if 0 < len(names) <= 12 else ""
        raise ValueRefusedError(
            f"names `{name}`, and no {_noun(object_type).split()[-1]} is called so."
            f"{did_you_mean(str(name), names)}{listed}"
        )

    def name_of(self, object_type: str, record_id: Any) -> str | None:
        """The name of a record, where it is known."""
        return self._known[object_type].names.get(record_id)


def _references(prop: Property, raw: Any) -> Iterable[tuple[str, Any]]:
    """The records that a value may refer to: collections, and names or ids."""
    if raw is None or raw == "":
        return
    object_type = REFERENCES.get(prop.kind)
    if object_type is not None:
        named = several(raw) if prop.kind in SEVERAL else raw if isinstance(raw, list | tuple) else [raw]
        yield from ((object_type, one) for one in named if one is not None)
    elif prop.kind in ("money", "amount", "prices"):
        yield "currencies", raw if isinstance(raw, str) else ""
    elif prop.kind == "participants":
        for one in several(raw):
            person = one.get("person_id") if isinstance(one, Mapping) else one
            if person is not None:
                yield "persons", person.strip() if isinstance(person, str) else person


def _is_id(object_type: str, name: Any) -> bool:
    if object_type in _IDS or isinstance(name, bool):
        return False
    if object_type in ("leads", "lead_labels"):
        return _UUID.fullmatch(str(name)) is not None
    return isinstance(name, int) or re.fullmatch("[0-9]+", str(name).strip()) is not None


_NOUNS = {"lead_labels": "a lead label", "activity_types": "an activity type", "currencies": "a currency",
          "organizations": "an organization"}  # fmt: skip


def _noun(object_type: str) -> str:
    return _NOUNS.get(object_type) or f"a {object_type.removesuffix('s')}"
