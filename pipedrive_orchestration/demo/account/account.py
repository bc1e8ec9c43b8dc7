"""The account: every collection, its fields and clock, and what all changes have in common."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections import Counter, deque
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipedrive_orchestration.demo.account.children import Children
from pipedrive_orchestration.demo.account.collection import Collection, State
from pipedrive_orchestration.demo.account.fields import Fields
from pipedrive_orchestration.demo.account.schemas import SCHEMAS
from pipedrive_orchestration.demo.account.webhooks import Webhooks
from pipedrive_orchestration.demo.clock import Clock
from pipedrive_orchestration.demo.generator import Business
from pipedrive_orchestration.demo.generator.company import me
from pipedrive_orchestration.demo.generator.fields import note_fields
from pipedrive_orchestration.demo.records import Record, RecordId
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN

PURGED_AFTER = timedelta(days=30)
"""How long a soft-deleted record can still be reached.

See docs/pipedrive-api.md#deletions-merges-and-archiving.
"""

PURGED = ("deals", "persons", "organizations", "activities", "products")
"""The collections that Pipedrive purges of deleted records."""

REQUESTS_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One answered request.

    Attributes:
        method: HTTP method.
        path: path without the query.
        query: query parameters.
        status: HTTP status of the answer.
        tokens: what the request cost.
    """

    method: str
    path: str
    query: Mapping[str, str]
    status: int
    tokens: int


class Account:
    """A Pipedrive account in memory.

    ``lock`` guards everything; whoever reads or changes several things in a row from another thread
    than the server's holds it meanwhile.

    Attributes:
        closed: collections that the plan and the add-ons of the company do not open.
        conversions: of leads to deals and of deals to leads, by their ids.
        contents: of the files that were uploaded, by the files' ids.

    Args:
        business: the records to begin with.
        clock: the account's clock.
        seed: makes ids and keys that the account gives out repeatable.
    """

    def __init__(self, business: Business, clock: Clock, seed: int) -> None:
        self.lock = threading.RLock()
        self.clock = clock
        self.me: Record = me(business)
        self.closed: frozenset[str] = frozenset()
        self.collections = {
            name: Collection(name, business[name], schema) for name, schema in SCHEMAS.items()
        }
        self.fields = {name: Fields(fields) for name, fields in business.fields.items()}
        self.children = Children(business, self)
        self.note_fields: list[Record] = note_fields()
        self.merged: dict[tuple[str, RecordId], RecordId] = {}
        self.conversions: dict[str, Record] = {}
        self.contents: dict[RecordId, bytes] = {}
        self.webhooks = Webhooks(self)
        self.children.told = self.webhooks.note_children
        for collection in self.collections.values():
            collection.told = self.webhooks.note
        self._seed = seed
        self._given: Counter[str] = Counter()
        self._highest = {
            name: max((record["id"] for record in collection), default=0)
            for name, collection in self.collections.items()
            if not collection.schema.uuids
        }
        self._purged: datetime | None = None
        self._requests: deque[LoggedRequest] = deque(maxlen=REQUESTS_KEPT)

    def __getitem__(self, name: str) -> Collection:
        return self.collections[name]

    def record(self, name: str, record_id: RecordId) -> Record | None:
        """A copy of the record with all its properties, whether lists show it or not."""
        with self.lock:
            return deepcopy(self[name].get(record_id))

    def records(self, name: str) -> list[Record]:
        """Copies of all records of a collection: deleted (and not yet purged) and archived ones too."""
        with self.lock:
            self.purge()
            return deepcopy(list(self[name]))

    @property
    def requests(self) -> tuple[LoggedRequest, ...]:
        """The answered requests, oldest first; the last 100,000 are kept."""
        with self.lock:
            return tuple(self._requests)

    def log(self, request: LoggedRequest) -> None:
        """Notes an answered request."""
        with self.lock:
            self._requests.append(request)

    def new_id(self, name: str) -> RecordId:
        """The next id of a collection, of the fields or of their options; ids never return."""
        if name in SCHEMAS and SCHEMAS[name].uuids:
            return str(uuid.uuid5(uuid.NAMESPACE_URL, self._unique("uuid")))
        if name not in self._highest:
            self._highest[name] = self._highest_elsewhere(name)
        self._highest[name] += 1
        return self._highest[name]

    def _highest_elsewhere(self, name: str) -> int:
        fields = [field for family in self.fields.values() for field in family.every()]
        if name == "fields":
            return max((int(field["_id"]) for field in fields), default=0)
        options = [
            option["id"]
            for field in fields
            for option in (field["options"] or []) + field["_options_deleted"]
        ]
        return max((option for option in options if isinstance(option, int)), default=0)

    def new_field_code(self) -> str:
        """A 40-hex key for a custom field."""
        return hashlib.sha256(self._unique("field").encode()).hexdigest()[:40]

    def _unique(self, purpose: str) -> str:
        self._given[purpose] += 1
        return f"{self._seed}/{purpose}/{self._given[purpose]}"

    def stamp(self, name: str) -> str:
        """The present instant as the collection writes it."""
        return self[name].time(self.clock.now())

    def save(self, name: str, record: Record) -> Record:
        """Stores the record as changed now, which is what ``update_time`` says afterwards."""
        now = self.clock.now()
        stamp = BUILT_IN[name].property("update_time") and {"update_time": self[name].time(now)}
        changed = {**record, **(stamp or {})}
        former = self[name].get(record["id"])
        if former is not None:
            self.children.log(name, former, changed, self.me["id"], now.timestamp())
        self[name].put(changed)
        self._purged = None
        return changed

    def touch(self, name: str, record_id: RecordId | None) -> None:
        """Bumps the ``update_time`` of a record, if it is there, without changing anything else."""
        record = self[name].get(record_id)
        if record is not None and not self[name].schema.is_deleted(record):
            self.save(name, record)

    def purge(self) -> None:
        """Takes out what was deleted more than 30 days ago."""
        now = self.clock.now()
        if now == self._purged:
            return
        self._purged, limit = now, now - PURGED_AFTER
        for name in PURGED:
            collection = self[name]
            window = (None, collection.time(limit))
            for archived in (False, True):
                for record_id in list(
                    collection.walk((State(archived, deleted=True),), "update_time", window=window)
                ):
                    collection.remove(record_id)
