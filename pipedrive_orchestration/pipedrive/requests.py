"""The requests that write: of every collection that Pipedrive lets be written, the bodies, prices and scopes.

Facts are those of Pipedrive's OpenAPI files (docs/pipedrive-api.md#writes). A row of the table holds the
collection's name, its path, the methods with their prices in tokens, the OAuth scopes of which one suffices,
and after it the keys of its bodies: a kind and the keys of that kind, and so on. A key is marked ``!`` where
a new record needs it, ``!!`` where every write does, ``+`` where only a new record takes it, ``-`` where only
a change does, and ``?`` where null clears it. A path with a parent's id in it is that of a parent's children.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.pipedrive.object_types import CustomFields, ObjectType


@dataclass(frozen=True, slots=True)
class WriteOperation:
    """One way to write: the method, and its price in tokens."""

    method: str
    cost: int


@dataclass(frozen=True, slots=True)
class BodyKey:
    """A key of the body of a write.

    Attributes:
        key: what it is called.
        kind: what its values are; :mod:`pipedrive_orchestration.writing.values` knows each kind.
        in_creation: whether a new record takes it.
        in_change: whether a change takes it.
        required: whether a new record needs it.
        always: whether every write needs it.
        clearable: whether null clears it.
    """

    key: str
    kind: str
    in_creation: bool = True
    in_change: bool = True
    required: bool = False
    always: bool = False
    clearable: bool = False


@dataclass(frozen=True, slots=True)
class WritableType:
    """A collection that can be written.

    Attributes:
        path: from ``/``; ``{deal_id}`` in it stands for the parent's id.
        create, update, delete: the operations that Pipedrive has.
        scopes: OAuth scopes of which one suffices.
        keys: of the bodies; custom fields are keys besides.
        get_cost: tokens of reading one record by its id; 0 where that is not offered.
    """

    name: str
    path: str
    create: WriteOperation | None
    update: WriteOperation | None
    delete: WriteOperation | None
    scopes: tuple[str, ...]
    keys: tuple[BodyKey, ...]
    get_cost: int

    @property
    def object_type(self) -> ObjectType | None:
        """The catalogue's row, where the collection can be imported."""
        return BUILT_IN.get(self.name)

    @property
    def version(self) -> str:
        """``v1`` or ``v2``."""
        return "v2" if self.path.startswith("/api/v2") else "v1"

    @property
    def custom_fields(self) -> CustomFields:
        """The place where a body has the values of custom fields."""
        return self.object_type.custom_fields if self.object_type else CustomFields.NONE

    @property
    def parents(self) -> tuple[str, ...]:
        """The keys of the parents' ids, in the order of the path."""
        return tuple(re.findall(r"{(\w+)}", self.path))

    @property
    def can_be_archived(self) -> bool:
        """Whether its records can be archived, and take nothing but the contrary then."""
        return any(key.key == "is_archived" for key in self.keys)

    @property
    def can_be_restored(self) -> bool:
        """Whether a deleted record can be brought back."""
        return any(key.key == "is_deleted" for key in self.keys)

    def key(self, name: str) -> BodyKey | None:
        """The key of that name."""
        return next((key for key in self.keys if key.key == name), None)

    def place(self, record_id: str | int | None = None) -> str:
        """The path of the collection, or of one of its records.

        Args:
            record_id: of a child, its parents' ids and its own with ``/`` between them.
        """
        if record_id is None:
            return self.path
        if not self.parents:
            return f"{self.path}/{record_id}"
        *above, own = str(record_id).split("/")
        return f"{self.within(above)}/{own}"

    def within(self, parents: list[str]) -> str:
        """The path of the children of some parents."""
        return self.path.format(**dict(zip(self.parents, parents, strict=True)))


_TABLE = """
deals /api/v2/deals POST=5 PATCH=5 DELETE=3 GET=1 deals:full
  text: title! lost_reason?; user: owner_id; person: person_id?; organization: org_id?;
  pipeline: pipeline_id; stage: stage_id; number: value?; currency: currency; boolean: is_deleted is_archived;
  instant: archive_time? close_time? won_time? lost_time?; status: status; percent: probability?;
  visibility: visible_to; date: expected_close_date?; options: label_ids
persons /api/v2/persons POST=5 PATCH=5 DELETE=3 GET=1 contacts:full
  text: name! job_title? notes?; user: owner_id; organization: org_id?; instant: add_time+;
  contacts: emails phones im; visibility: visible_to; options: label_ids; address: postal_address?;
  date: birthday?; marketing: marketing_status
organizations /api/v2/organizations POST=5 PATCH=5 DELETE=3 GET=1 contacts:full
  text: name! website? linkedin?; user: owner_id; instant: add_time+; visibility: visible_to;
  options: label_ids; address: address?; option: industry?; whole: annual_revenue? employee_count?
activities /api/v2/activities POST=5 PATCH=5 DELETE=3 GET=1 activities:full
  text: subject; activity type: type; user: owner_id; deal: deal_id?; lead: lead_id?;
  organization: org_id?; whole: project_id? priority? outcome?; date: due_date?; clock: due_time? duration?;
  boolean: busy done; address: location?; participants: participants; objects: attendees;
  long text: public_description?; html: note?
products /api/v2/products POST=5 PATCH=5 DELETE=3 GET=1 products:full
  text: name! code? unit?; long text: description?; percent: tax; option: category?; user: owner_id;
  boolean: is_linkable; visibility: visible_to; prices: prices; billing: billing_frequency;
  whole: billing_frequency_cycles?
leads /v1/leads POST=10 PATCH=10 DELETE=6 GET=2 leads:full
  text: title! channel_id? origin_id+; user: owner_id; lead labels: label_ids; person: person_id?;
  organization: organization_id?; amount: value?; date: expected_close_date?;
  text visibility: visible_to; boolean: was_seen is_archived-; whole: channel?
notes /v1/notes POST=10 PUT=10 DELETE=6 GET=2 deals:full contacts:full
  html: content!; lead: lead_id?; deal: deal_id?; person: person_id?; organization: org_id?;
  whole: project_id? task_id?; user: user_id; text instant: add_time;
  flag: pinned_to_lead_flag pinned_to_deal_flag pinned_to_organization_flag pinned_to_person_flag
  pinned_to_project_flag pinned_to_task_flag
pipelines /api/v2/pipelines POST=5 PATCH=5 DELETE=3 GET=1 admin
  text: name!; boolean: is_deal_probability_enabled
stages /api/v2/stages POST=5 PATCH=5 DELETE=3 GET=1 admin
  text: name!; pipeline: pipeline_id!; whole percent: deal_probability; boolean: is_deal_rot_enabled;
  whole: days_to_rotten?
lead_labels /v1/leadLabels POST=10 PATCH=10 DELETE=6 GET=0 leads:full
  text: name!; label color: color!
activity_types /v1/activityTypes POST=10 PUT=10 DELETE=6 GET=0 admin
  text: name!; icon: icon_key!; hex color: color; whole: order_nr-
filters /v1/filters POST=10 PUT=10 DELETE=6 GET=2 deals:full activities:full contacts:full
  text: name!; filter type: type!+; object: conditions!!
"""


def _parse(table: str) -> Iterator[WritableType]:
    for entry in re.split(r"\n(?=\w)", table.strip()):
        first, _, keys = entry.partition("\n")
        name, path, *words = first.split()
        prices = {method: int(price) for method, equals, price in (w.partition("=") for w in words) if equals}
        scopes = tuple(word for word in words if "=" not in word)
        yield WritableType(
            name=name,
            path=path,
            create=_operation(prices, "POST"),
            update=_operation(prices, "PATCH", "PUT"),
            delete=_operation(prices, "DELETE"),
            scopes=scopes,
            keys=tuple(_keys(keys)),
            get_cost=prices.get("GET", 0),
        )


def _operation(prices: dict[str, int], *methods: str) -> WriteOperation | None:
    return next((WriteOperation(method, prices[method]) for method in methods if method in prices), None)


def _keys(table: str) -> Iterator[BodyKey]:
    for group in table.split(";"):
        kind, _, words = group.partition(":")
        for word in words.split():
            key = word.rstrip("!+-?")
            marks = word[len(key) :]
            yield BodyKey(
                key,
                " ".join(kind.split()),
                in_creation="-" not in marks,
                in_change="+" not in marks,
                required="!" in marks,
                always="!!" in marks,
                clearable="?" in marks,
            )


WRITABLE: dict[str, WritableType] = {writable.name: writable for writable in _parse(_TABLE)}
"""Every collection that can be written, by name."""

MERGE_COST = 40
"""Tokens of a merge of two records."""

MERGED = frozenset({"deals", "persons", "organizations"})
"""The collections of which two records can be made one (v1 ``PUT /<type>/{id}/merge``)."""


def merge_path(writable: WritableType, record_id: str | int) -> str:
    """The path at which a record is merged into another."""
    return f"/v1/{writable.name}/{record_id}/merge"
