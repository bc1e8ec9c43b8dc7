"""Webhooks v2: subscriptions, and the events of what changes (docs/pipedrive-api.md#webhooks)."""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipedrive_orchestration.demo.account.collection import Collection
from pipedrive_orchestration.demo.records import Record, RecordId, blank

if TYPE_CHECKING:
    from pipedrive_orchestration.demo.account.account import Account

MAX_SUBSCRIPTIONS = 40
"""Of a user."""

ENTITIES = {
    "deals": "deal",
    "persons": "person",
    "organizations": "organization",
    "activities": "activity",
    "products": "product",
    "leads": "lead",
    "notes": "note",
    "pipelines": "pipeline",
    "stages": "stage",
    "users": "user",
    "projects": "project",
    "tasks": "task",
    "boards": "board",
    "phases": "phase",
    "deal_products": "deal_product",
    "deal_installments": "deal_installment",
}
"""Pipedrive's word for a record of each collection, or kind of children, that has events."""

EVENT_TIME = "%Y-%m-%dT%H:%M:%S"
_KEPT = 100_000

_V1_NAMES = {
    "pipelines": {"is_deleted": "active_flag", "is_deal_probability_enabled": "deal_probability"},
    "stages": {
        "is_deleted": "active_flag",
        "is_deal_rot_enabled": "rotten_flag",
        "days_to_rotten": "rotten_days",
    },
    "products": {"is_linkable": "selectable"},
}
_OPPOSITE = "active_flag"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A change of a record, as those who have subscribed to it are told."""

    entity: str
    action: str
    body: Mapping[str, Any]


@dataclass(slots=True)
class Webhooks:
    """The subscriptions of an account, and what has happened since somebody took note of it.

    Attributes:
        made: ids of the subscriptions that were made while the account runs; to others nothing is sent.
        is_watched: whether events are made although nobody has subscribed, for those who take them directly.
        began: set when there has been a subscription.
        occurred: events that nobody has taken yet, oldest first.
    """

    account: Account
    made: set[RecordId] = field(default_factory=set)
    is_watched: bool = False
    began: threading.Event = field(default_factory=threading.Event)
    occurred: deque[Occurrence] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _before: dict[tuple[str, RecordId], Record | None] = field(default_factory=dict)

    @property
    def active(self) -> list[Record]:
        """The subscriptions that are delivered to."""
        found = [self.account["webhooks"].get(number) for number in sorted(self.made, key=str)]
        return [one for one in found if one is not None and one["is_active"]]

    def add(self, body: Mapping[str, Any], now: datetime) -> Record:
        """A new subscription."""
        self.began.set()
        me, number = self.account.me, self.account.new_id("webhooks")
        subscription: Record = {
            **blank("webhooks"),
            **dict.fromkeys(("owner_id", "user_id", "admin_id"), me["id"]),
            "version": "2.0",
            "http_auth_password": None,
            **body,
            "id": number,
            "company_id": me["company_id"],
            "type": "general",
            "is_active": 1,
            "add_time": f"{now:{EVENT_TIME}}.000Z",
        }
        self.account["webhooks"].put(subscription)
        self.made.add(number)
        return subscription

    def end(self, subscription: Record, reason: str, now: datetime) -> None:
        """Deliver nothing more to a subscription."""
        ended = {"is_active": 0, "remove_reason": reason, "remove_time": f"{now:{EVENT_TIME}}.000Z"}
        self.account["webhooks"].put(subscription | ended)

    def remove(self, number: RecordId) -> None:
        """Forget a subscription."""
        self.account["webhooks"].remove(number)
        self.made.discard(number)

    def note(self, name: str, record_id: RecordId, before: Record | None) -> None:
        """Take note that a record is changed which was like this before."""
        if self._is_told_of(name):
            self._before.setdefault((name, record_id), before)

    def _is_told_of(self, name: str) -> bool:
        return name in ENTITIES and (self.is_watched or bool(self.active))

    def note_children(self, name: str, before: Iterable[Record], after: Iterable[Record]) -> None:
        """Tell of the children of a record, which are others now."""
        if not self._is_told_of(name):
            return
        now = self.account.clock.exactly_now()
        were, are = ({child["id"]: child for child in children} for children in (before, after))
        for number in sorted(were.keys() | are.keys()):
            was, is_ = were.get(number), are.get(number)
            if was != is_:
                action = "delete" if is_ is None else "create" if was is None else "change"
                self._tell(name, number, action, now, {"data": is_, "previous": was})

    def settle(self, *, is_merge: bool = False) -> None:
        """Tell of what has changed since it was told last; a request is one occasion."""
        changed, self._before = self._before, {}
        now = self.account.clock.exactly_now()
        for (name, record_id), before in changed.items():
            self._tell_of_record(self.account[name], record_id, before, now, is_merge=is_merge)

    def take(self) -> list[Occurrence]:
        """What has happened since it was taken last."""
        taken = list(self.occurred)
        self.occurred.clear()
        return taken

    def _tell_of_record(
        self,
        collection: Collection,
        record_id: RecordId,
        before: Record | None,
        now: datetime,
        *,
        is_merge: bool,
    ) -> None:
        name, schema, after = collection.name, collection.schema, collection.get(record_id)
        was, is_ = (one is not None and not schema.is_deleted(one) for one in (before, after))
        if not was and not is_:
            return
        action = "delete" if not is_ else "create" if before is None else "change"
        if action == "change" and schema.shown(before or {}) == schema.shown(after or {}):
            # Counts follow from other records, and nobody is told of them.
            return
        data = None if action == "delete" else event_data(self.account, name, after or {})
        previous = event_data(self.account, name, before) if before else None
        if action == "change" and data and previous:
            previous = {key: value for key, value in previous.items() if data.get(key) != value}
        partner = self.account.merged.get((name, record_id)) if is_merge else None
        key = "merged_to_id" if action == "delete" else "merged_from_id"
        merge = {} if partner is None else {key: str(partner)}
        self._tell(name, record_id, action, now, {"data": data, "previous": previous}, **merge)

    def _tell(
        self, name: str, record_id: RecordId, action: str, now: datetime, told: Record, **more: str
    ) -> None:
        me = self.account.me
        meta: Record = {
            "action": action,
            "entity": ENTITIES[name],
            "entity_id": str(record_id),
            "company_id": str(me["company_id"]),
            "user_id": str(me["id"]),
            "id": str(uuid.uuid4()),
            "correlation_id": str(uuid.uuid4()),
            "timestamp": f"{now:{EVENT_TIME}}.{now.microsecond // 1000:03}Z",
            "type": "general",
            "version": "2.0",
            "webhook_id": "0",
            "webhook_owner_id": str(me["id"]),
            "change_source": "app",
            "attempt": 1,
            "host": f"{me['company_domain']}.pipedrive.com",
            "is_bulk_edit": False,
        }
        if name == "users":
            meta["timestamp"] = str(int(now.timestamp()))
        else:
            meta["permitted_user_ids"] = [str(me["id"])]
        self.occurred.append(Occurrence(ENTITIES[name], action, {**told, "meta": meta | more}))


def event_data(account: Account, name: str, record: Record) -> Record:
    """A record as events have it."""
    schema = account[name].schema
    data = dict(schema.shown(deepcopy(record)))
    if "visible_to" in data:
        data["visible_to"] = str(data["visible_to"])
    if schema.fields is not None:
        values = data if schema.flat else data.get("custom_fields") or {}
        data["custom_fields"] = dict(_custom_values(account, schema.fields, values))
        if schema.flat:
            data = {key: value for key, value in data.items() if key.partition("_")[0] not in _codes(account)}
    for present, older in _V1_NAMES.get(name, {}).items():
        value = data.pop(present, None)
        data[older] = not value if older == _OPPOSITE else value
    if name == "users":
        data = {key: str(value) if key.endswith("id") else value for key, value in data.items()}
    return data


def _codes(account: Account) -> set[str]:
    return {field["field_code"] for field in account.fields["deals"].every() if field["is_custom_field"]}


def _custom_values(
    account: Account, fields: str, values: Mapping[str, Any]
) -> Iterator[tuple[str, Record | None]]:
    """The account's custom fields with typed values; what is not set is null."""
    for known in account.fields[fields]:
        if known["is_custom_field"]:
            code, kind = known["field_code"], known["field_type"]
            yield code, _typed(kind, values.get(code))


def _typed(kind: str, value: Any) -> Record | None:
    if value is None:
        return None
    if kind in ("enum", "user", "org", "people"):
        return {"type": kind, "id": value}
    if kind == "set":
        return {"type": kind, "values": [{"id": one} for one in value]}
    if not isinstance(value, dict):
        return {"type": kind, "value": value}
    first = "from" if kind in ("daterange", "timerange") else "value"
    parts = {first if key == "value" else key: part for key, part in value.items()}
    parts.pop("timezone_name", None)
    return {"type": kind, **parts}
