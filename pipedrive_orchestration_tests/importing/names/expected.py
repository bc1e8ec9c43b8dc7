"""What the names behind references have to be, by the account's own records, and how to change them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from pipedrive_orchestration.demo import Account, DemoServer
from pipedrive_orchestration.importing import property_options
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN, FIELD_TABLES
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.exactness.truth import is_deleted

Record = dict[str, Any]

ONE_WINDOW = {"partitions_start": f"{PRESENT:%Y-%m}"}

TITLES = {
    **dict.fromkeys(("deals", "leads", "projects", "tasks"), "title"),
    "activities": "subject",
}
"""What shows a record in place of its id, where that is not its name."""


def names_of(options: list[Record], *, derived: bool) -> dict[str, str]:
    """The properties that are other names, or derived, and of which."""
    extra = "of" if derived else "alias_of"
    return {one["value"]: one["extras"][extra] for one in options if extra in one["extras"]}


def offered(demo: DemoServer, object_type: str) -> list[Record]:
    return property_options(object_type, connection=Connection.of(demo.url, demo.token))


# What the properties of an object type refer to, as Pipedrive names the types of fields.
REFERRED = {
    "user": "users",
    "org": "organizations",
    "people": "persons",
    "deal": "deals",
    "lead": "leads",
    "activity": "activities",
    "product": "products",
    "pipeline": "pipelines",
    "stage": "stages",
    "uuids": "lead_labels",
    "project": "projects",
    "task": "tasks",
    "projects_board": "boards",
    "projects_phase": "phases",
    "role": "roles",
    "deals": "deals",
    "persons": "persons",
    "orgs": "organizations",
    "users": "users",
}


WITH_REFERENCES = [
    name
    for name, object_type in BUILT_IN.items()
    if object_type.parent is None
    and object_type not in FIELD_TABLES
    and any(prop.field_type in REFERRED for prop in object_type.properties)
]


class Names:
    """What derived cells have to be, by the account's own records.

    Args:
        former: the names that records had before they were given others, by object type and id.
    """

    def __init__(
        self, account: Account, options: list[Record], former: Mapping[tuple[str, Any], set[str]] = {}
    ) -> None:
        self._account = account
        self._former = former
        types = {one["value"]: one["extras"]["field_type"] for one in options}
        self.of = {key: (of, REFERRED[types[of]]) for key, of in names_of(options, derived=True).items()}
        self._records: dict[str, dict[Any, Record]] = {}

    def read(self) -> None:
        """Look at the account as it is now."""
        wanted = {object_type for _, object_type in self.of.values()}
        self._records = {name: {one["id"]: one for one in self._account.records(name)} for name in wanted}

    def fits(self, key: str, record: Record, cell: Any) -> bool:
        """Whether a cell is right; of what was deleted the name may be known, an earlier one, or not."""
        of, _ = self.of[key]
        value = record.get(of, (record.get("custom_fields") or {}).get(of))
        if isinstance(value, list):
            names = cell or []
            return len(names) == len(value) and all(map(partial(self._is_name, key), value, names))
        return cell is None if value is None else self._is_name(key, value, cell)

    def _is_name(self, key: str, value: Any, cell: Any) -> bool:
        object_type = self.of[key][1]
        target = self._records[object_type].get(value)
        if target is None or is_deleted(object_type, target) or target.get("active_flag") is False:
            names = {self._name(key, object_type, value), *self._former.get((object_type, value), ())}
            return cell is None or target is None or cell in names
        return bool(cell == self._name(key, object_type, value))

    def _name(self, key: str, object_type: str, record_id: Any) -> Any:
        attribute = "email" if key.endswith(("_email", "_emails")) else TITLES.get(object_type, "name")
        target = self._records[object_type].get(record_id)
        return target and target[attribute]


def wrong_names(trial: Trial, what: Source, names: Names) -> list[str]:
    """The current cells of a source's table that show another name than they have to."""
    names.read()
    by_id = {str(one["id"]): one for one in trial.demo.account.records(what.object_type)}
    return [
        f"{record_id}.{key}: {row[key]}"
        for record_id, row in trial.rows(what).items()
        if row["_is_current"]
        for key in what.properties
        if key in names.of and not names.fits(key, by_id[record_id], row[key])
    ]


def rename(trial: Trial, object_type: str, record_id: Any, name: str) -> None:
    """Give something another name; users cannot be renamed over the API."""
    attribute = TITLES.get(object_type, "name")
    if object_type == "users":
        known = trial.demo.account.record("users", record_id)
        assert known is not None
        trial.demo.account["users"].put(known | {attribute: name})
        return
    path = f"{BUILT_IN[object_type].path}/{record_id}"
    trial.demo.write("PATCH", path, {attribute: name})
