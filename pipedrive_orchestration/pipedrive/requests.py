"""The requests that write: of every collection that Pipedrive lets be written, the bodies, prices and scopes.

Facts are those of Pipedrive's OpenAPI files (docs/pipedrive-api.md#writes). A row of the table holds the
collection's name, its path, the methods with their prices in tokens, the OAuth scopes of which one suffices,
and after it the keys of its bodies: a kind and the keys of that kind, and so on. A price may be followed by
the form of the body, where that is no object in JSON. ``of=`` names the collection in which the records are
found, ``id=`` the key of their ids, ``in=`` the key of an answer under which a record lies.

A second table has the requests that make several changes of one kind: the collection, the method, the price,
how many it takes, in which form, and the path, where that is not the collection's own.

A key is marked ``!`` where a new record needs it, ``!!`` where every write does, ``~`` where a change does,
``+`` where only a new record takes it, ``-`` where only a change does, and ``?`` where null clears it. Behind
``>`` stands what it is called in answers, and nothing where they do not have it. A path with a parent's id in
it is that of a parent's children.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.pipedrive.object_types import CustomFields, ObjectType


class BodyForm(StrEnum):
    """The forms that the body of a write can have."""

    JSON = "json"
    FORM = "form"
    """``application/x-www-form-urlencoded``."""
    UPLOAD = "upload"
    """``multipart/form-data``, with a file."""
    LIST = "list"
    """A list in JSON, of one object with the record's id, at the path of the collection."""
    NAMED = "named"
    """An object in JSON that names the record, at the path of the collection."""


class BulkForm(StrEnum):
    """The forms in which one request says several changes."""

    LIST = "list"
    """A list in JSON."""
    DATA = "data"
    """An object in JSON whose ``data`` is the list."""
    IDS = "ids"
    """Ids with commas, in the query."""


@dataclass(frozen=True, slots=True)
class BulkOperation:
    """One request for several changes of one kind, of records below one parent where they are below others.

    Attributes:
        cost: tokens of the request, however many it makes.
        most: how many it takes.
    """

    method: str
    path: str
    cost: int
    most: int
    form: BulkForm


@dataclass(frozen=True, slots=True)
class WriteOperation:
    """One way to write: the method, its price in tokens, the form of its body, and the same for several."""

    method: str
    cost: int
    form: BodyForm = BodyForm.JSON
    bulk: BulkOperation | None = None

    @property
    def is_at_collection(self) -> bool:
        """Whether the record is named by the body and not by the path."""
        return self.form in (BodyForm.LIST, BodyForm.NAMED)


@dataclass(frozen=True, slots=True)
class BodyKey:
    """A key of the body of a write.

    Attributes:
        key: what it is called.
        kind: what its values are; :mod:`pipedrive_orchestration.writing.values` knows each kind.
        in_creation: whether a new record takes it.
        in_change: whether a change takes it.
        required: whether a new record needs it.
        always: whether every change needs it.
        clearable: whether null clears it.
        read: what answers call it; empty where they do not have it.
    """

    key: str
    kind: str
    read: str
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
        records: the collection in which its records are found, by the name of the catalogue.
        id_key: the key of a record's id.
        inner: the key of an answer under which a record lies; empty where it lies in no other.
        tells_id_alone: whether answers have no more of a record than its id.
    """

    name: str
    path: str
    create: WriteOperation | None
    update: WriteOperation | None
    delete: WriteOperation | None
    scopes: tuple[str, ...]
    keys: tuple[BodyKey, ...]
    get_cost: int
    records: str = ""
    id_key: str = "id"
    inner: str = ""
    tells_id_alone: bool = False

    @property
    def object_type(self) -> ObjectType | None:
        """The catalogue's row of the collection in which the records are found, if it can be imported."""
        return BUILT_IN.get(self.records)

    @property
    def operations(self) -> tuple[WriteOperation, ...]:
        """Those of creating, changing and deleting that Pipedrive has."""
        return tuple(one for one in (self.create, self.update, self.delete) if one is not None)

    @property
    def is_dated(self) -> bool:
        """Whether a record says when it was made."""
        object_type = self.object_type
        return object_type is not None and any(object_type.property(key) for key in ADD_TIMES)

    @property
    def is_named_by_what_it_is(self) -> bool:
        """Whether a record has no id of its own but is, say, a user among the followers of a deal."""
        return self.id_key == "user_id"

    @property
    def fields(self) -> ObjectType | None:
        """Of options of fields, the collection of these, with which they come."""
        one, is_so, _ = self.name.partition("_field_options")
        return BUILT_IN[f"{one}_fields"] if is_so else None

    @property
    def is_planned(self) -> bool:
        """Whether files of writes can have it: records by id, all in a table of their own, and dated.

        Options of fields have no table, and are read for each plan.
        """
        if self.fields is not None:
            return True
        object_type = self.object_type
        parent = object_type.parent if object_type else None
        return (
            object_type is not None
            and len(self.parents) == (0 if parent is None else 1)
            # Of deals with one participant the table has none.
            and (parent is None or parent.least in (None, 1))
            and self.records == self.name
            and self.id_key == "id"
            and self.is_dated
            and all(one.form is BodyForm.JSON for one in self.operations)
        )

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

    def address(
        self, operation: WriteOperation, record_id: str | int | None, parents: tuple[str, ...]
    ) -> str:
        """The path to which an operation is sent.

        Args:
            operation: one of the collection's.
            record_id: of the record; None of a new one.
            parents: ids of the parents of a new one.
        """
        if record_id is None:
            return self.within(list(parents))
        return (
            self.within(str(record_id).split("/")[:-1])
            if operation.is_at_collection
            else self.place(record_id)
        )

    def bulk_address(self, bulk: BulkOperation, parents: tuple[str, ...]) -> str:
        """The path to which several changes of records below some parents are sent."""
        return bulk.path.format(**dict(zip(self.parents, parents, strict=True)))

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


ADD_TIMES = ("add_time", "created_at", "created")
"""The keys under which records say when they were made."""

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
projects /api/v2/projects POST=5 PATCH=5 DELETE=3 GET=1 projects:full
  text: title! status; long text: description; board: board_id; phase: phase_id; user: owner_id;
  date: start_date end_date; deals: deal_ids; persons: person_ids; organizations: org_ids;
  options: label_ids; whole: health_status template_id>
tasks /api/v2/tasks POST=5 PATCH=5 DELETE=3 GET=1 projects:full
  text: title!; whole: project_id! parent_task_id? priority?; long text: description?;
  flag: done>is_done milestone>is_milestone; date: due_date? start_date?; user: assignee_id>?;
  users: assignee_ids
boards /api/v2/boards POST=5 PATCH=5 DELETE=3 GET=10 projects:full
  text: name!; whole: order_nr
phases /api/v2/phases POST=5 PATCH=5 DELETE=3 GET=10 projects:full
  text: name!; board: board_id!; whole: order_nr
users /v1/users POST=10 PUT=10 GET=2 admin
  text: email!+; objects: access>+; boolean: active_flag~
roles /v1/roles POST=10 PUT=10 DELETE=6 GET=2 told=id admin
  text: name!; role: parent_role_id?
role_assignments /v1/roles/{role_id}/assignments POST=10 DELETE=6:named GET=0 id=user_id admin
  user: user_id!
legacy_teams /v1/legacyTeams POST=10 PUT=10 GET=2 admin
  text: name!; long text: description; user: manager_id!; users: users; flag: active_flag- deleted_flag-
goals /v1/goals POST=10 PUT=10 DELETE=6 GET=0 in=goal goals:full
  text: title; object: assignee! type! expected_outcome! duration!; goal interval: interval!
call_logs /v1/callLogs POST=10 DELETE=6 GET=2 phone-integration
  user: user_id; activity: activity_id; text: subject duration from_phone_number to_phone_number!;
  call outcome: outcome!; text instant: start_time! end_time!; person: person_id; organization: org_id;
  deal: deal_id; lead: lead_id; html: note
files /v1/files POST=10:upload PUT=10:form DELETE=6 GET=2 deals:full activities:full contacts:full
  upload: file>name!+; deal: deal_id+; person: person_id+; organization: org_id+; product: product_id+;
  activity: activity_id+; lead: lead_id+; whole: project_id+; text: name- description-
remote_files /v1/files/remote POST=10:form GET=0 of=files deals:full activities:full contacts:full
  document type: file_type>!; text: title>name!; document owner: item_type>!; whole: item_id>!;
  document place: remote_location!
linked_files /v1/files/remoteLink POST=10:form GET=0 of=files deals:full activities:full contacts:full
  document owner: item_type>!; whole: item_id>!; text: remote_id!; document place: remote_location!
mail_threads /v1/mailbox/mailThreads PUT=10:form DELETE=6 GET=20 mail:full
  deal: deal_id; lead: lead_id; flag: shared_flag read_flag archived_flag
organization_relationships /v1/organizationRelationships POST=10 PUT=10 DELETE=6 GET=2 contacts:full
  relation: type!; organization: rel_owner_org_id! rel_linked_org_id! org_id>
deal_products /api/v2/deals/{deal_id}/products POST=5 PATCH=5 DELETE=3 GET=0 products:full deals:full
  product: product_id!; number: item_price! quantity! discount; percent: tax; text: comments;
  boolean: is_enabled; tax method: tax_method; discount type: discount_type; whole: product_variation_id?;
  billing: billing_frequency; whole: billing_frequency_cycles?; date: billing_start_date?
deal_discounts /api/v2/deals/{deal_id}/discounts POST=5 PATCH=5 DELETE=3 GET=0 deals:read deals:full
  text: description!; number: amount!; discount type: type!
deal_installments /api/v2/deals/{deal_id}/installments POST=5 PATCH=5 DELETE=3 GET=0 deals:read deals:full
  text: description!; number: amount!; date: billing_date!
deal_participants /v1/deals/{deal_id}/participants POST=10 DELETE=6 GET=0 deals:full
  person: person_id!
deal_followers /api/v2/deals/{deal_id}/followers POST=5 DELETE=3 GET=0 id=user_id deals:full
  user: user_id!
person_followers /api/v2/persons/{person_id}/followers POST=5 DELETE=3 GET=0 id=user_id contacts:full
  user: user_id!
organization_followers /api/v2/organizations/{org_id}/followers POST=5 DELETE=3 GET=0 id=user_id contacts:full
  user: user_id!
product_followers /api/v2/products/{product_id}/followers POST=5 DELETE=3 GET=0 id=user_id products:full
  user: user_id!
product_variations /api/v2/products/{product_id}/variations POST=5 PATCH=5 DELETE=3 GET=0 products:full
  text: name!; prices: prices
note_comments /v1/notes/{note_id}/comments POST=10 PUT=10 DELETE=6 GET=2 id=uuid deals:full contacts:full
  html: content!!
"""


_FIELDS = {
    "deal": "admin deal-fields:full",
    "person": "admin contact-fields:full",
    "organization": "admin contact-fields:full",
    "product": "products:full product-fields:full",
    "project": "project-fields:full",
}
"""The object types with fields of their own, and the scopes that these ask for."""

_FIELDS_TABLE = """
{one}_fields /api/v2/{one}Fields POST=5 PATCH=5 DELETE=3 GET=1 id=field_code {scopes}
  text: field_name!; field type: field_type!+; option labels: options>+; object: {objects}{more}
{one}_field_options /api/v2/{one}Fields/{{field_code}}/options POST=5:list PATCH=5:list DELETE=3:list {scopes}
  text: label!~
"""

MOST_OPTIONS = 100
"""Options of a field that one request changes; Pipedrive says no limit of its own."""

_BULK_TABLE = """
filters DELETE 10 100 ids
deal_products POST 25 100 data /api/v2/deals/{deal_id}/products/bulk
deal_products DELETE 15 100 ids
"""


def _fields_table() -> Iterator[str]:
    for one, scopes in _FIELDS.items():
        objects = "ui_visibility" if one == "product" else "ui_visibility important_fields required_fields"
        more = "; text: description?" if one == "deal" else ""
        yield _FIELDS_TABLE.strip().format(one=one, scopes=scopes, objects=objects, more=more)


def _bulk(name: str, path: str, method: str) -> BulkOperation | None:
    for line in _BULK_TABLE.strip().splitlines():
        collection, of, cost, most, form, *elsewhere = line.split()
        if (collection, of) == (name, method):
            return BulkOperation(method, "".join(elsewhere) or path, int(cost), int(most), BulkForm(form))
    return None


def _parse(table: str) -> Iterator[WritableType]:
    for entry in re.split(r"\n(?=\w)", table.strip()):
        first, _, keys = entry.partition("\n")
        name, path, *words = first.split()
        told = dict(word.split("=") for word in words if "=" in word)
        yield WritableType(
            name=name,
            path=path,
            create=_operation(name, path, told, "POST"),
            update=_operation(name, path, told, "PATCH", "PUT"),
            delete=_operation(name, path, told, "DELETE"),
            scopes=tuple(word for word in words if "=" not in word),
            keys=tuple(_keys(keys)),
            get_cost=int(told.get("GET", 0)),
            records=told.get("of", name),
            id_key=told.get("id", "id"),
            inner=told.get("in", ""),
            tells_id_alone="told" in told,
        )


def _operation(name: str, path: str, told: dict[str, str], *methods: str) -> WriteOperation | None:
    for method in methods:
        if method in told:
            price, _, form = told[method].partition(":")
            if form == BodyForm.LIST:
                bulk = BulkOperation(method, path, int(price), MOST_OPTIONS, BulkForm.LIST)
                return WriteOperation(method, int(price), BodyForm.LIST, bulk)
            return WriteOperation(method, int(price), BodyForm(form or "json"), _bulk(name, path, method))
    return None


def _keys(table: str) -> Iterator[BodyKey]:
    for group in table.split(";"):
        kind, _, words = group.partition(":")
        for word in words.split():
            told = word.rstrip("!+-?~")
            marks = word[len(told) :]
            key, is_otherwise, read = told.partition(">")
            yield BodyKey(
                key,
                " ".join(kind.split()),
                read if is_otherwise else key,
                in_creation="-" not in marks,
                in_change="+" not in marks,
                required="!" in marks,
                always="!!" in marks or "~" in marks,
                clearable="?" in marks,
            )


WRITABLE: dict[str, WritableType] = {
    writable.name: writable for writable in _parse("\n".join((_TABLE.strip(), *_fields_table())))
}
"""Every collection that can be written, by name."""

PLANNED: dict[str, WritableType] = {name: one for name, one in WRITABLE.items() if one.is_planned}
"""Those that files of writes can have."""

MERGE_COST = 40
"""Tokens of a merge of two records."""

MERGED = frozenset({"deals", "persons", "organizations"})
"""The collections of which two records can be made one (v1 ``PUT /<type>/{id}/merge``)."""


def merge_path(writable: WritableType, record_id: str | int) -> str:
    """The path at which a record is merged into another."""
    return f"/v1/{writable.name}/{record_id}/merge"


CONVERSION_COST = 40
"""Tokens of the conversion of a lead or a deal."""

CONVERSION_STATUS_COST = 1
"""Tokens of asking how far a conversion is."""

CONVERTED = {"leads": ("deal", "deals"), "deals": ("lead", "leads")}
"""The collections whose records can become records of another one: what that is called, and its name."""


def conversion_path(writable: WritableType, record_id: str | int) -> str:
    """The path at which a lead becomes a deal, or a deal a lead."""
    return f"/api/v2/{writable.name}/{record_id}/convert/{CONVERTED[writable.name][0]}"


def conversion_status_path(writable: WritableType, record_id: str | int, conversion_id: str) -> str:
    """The path at which a conversion says how far it is."""
    return f"/api/v2/{writable.name}/{record_id}/convert/status/{conversion_id}"


ARCHIVE_COST = 3
"""Tokens of the archiving of a project, which nothing takes back."""


def archive_path(record_id: str | int) -> str:
    """The path at which a project is archived."""
    return f"/api/v2/projects/{record_id}/archive"
