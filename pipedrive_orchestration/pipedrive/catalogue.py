"""The catalogue: one row per Pipedrive collection that can be imported.

Everything an import has to know about a collection before the first request stands here: where it
lives, how it is paged, whether ``update_time`` can bound it, what a request costs, and which
built-in properties its records carry. Paths, parameters and prices are those of Pipedrive's OpenAPI
files (``x-token-cost``); record shapes are sections 2 and 6 of the API facts.

This module imports nothing of ours, so that the demo account can be built from the same facts.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

MAX_PAGE_SIZE = 500
"""Largest ``limit`` of every list below (requests cost the same at any limit)."""

MAX_IDS_PER_REQUEST = 100
"""Largest number of ids in the ``ids`` parameter of a v2 list."""

MAX_CUSTOM_FIELDS_PER_REQUEST = 15
"""Largest number of keys in the ``custom_fields`` parameter of a v2 list."""


class Paging(enum.Enum):
    """How a list is read page after page."""

    CURSOR = "cursor"
    """v2: ``additional_data.next_cursor`` goes into ``cursor``."""
    OFFSET = "offset"
    """v1: ``additional_data.pagination.next_start`` goes into ``start``."""
    NONE = "none"
    """The whole collection comes in one answer and takes neither ``limit`` nor ``start``."""


class Bounds(enum.Enum):
    """How far ``update_time`` can bound a list; decides whether a source is partitioned."""

    BOTH = "both"
    """``updated_since`` (inclusive) and ``updated_until`` (exclusive)."""
    BELOW = "below"
    """``updated_since`` only, but sortable by ``update_time``: the reader stops at the upper bound."""
    NONE = "none"
    """Neither: a snapshot, read in full each time."""


class CustomFields(enum.Enum):
    """Where a record keeps the values of its custom fields."""

    NESTED = "nested"
    """v2: under ``custom_fields``, one value or object per 40-hex key."""
    FLAT = "flat"
    """v1 leads: beside the built-in keys, companions as ``<key>_currency``, ``<key>_until``, ..."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Property:
    """A built-in property of a record.

    ``field_type`` is Pipedrive's word where it has one; ``datetime``, ``uuid``, ``contacts`` (emails,
    phones, im), ``ids``, ``uuids`` and ``amount`` (a lead's ``{amount, currency}``) name shapes that
    its field types do not. ``optional`` properties come only when asked for by ``include_fields``.
    """

    key: str
    field_type: str
    optional: bool = False

    @property
    def label(self) -> str:
        """The human name used where Pipedrive's field list does not offer one."""
        return self.key.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One collection.

    Paths begin with ``/api/v2`` or with ``/v1``, which every host accepts where ``/api/v1`` is refused
    by some (API facts 1.1). Costs are tokens per request.
    """

    name: str
    path: str
    paging: Paging
    bounds: Bounds
    list_cost: int
    properties: tuple[Property, ...]
    get_cost: int | None = None
    id_type: str = "int"
    archived_path: str | None = None
    archived_cost: int = 0
    fields_path: str | None = None
    fields_cost: int = 0
    custom_fields: CustomFields = CustomFields.NONE
    filters: tuple[str, ...] = ()
    """Parameters by which Pipedrive itself can restrict the list."""
    recents_item: str | None = None
    """The collection's name in ``/v1/recents``, the only feed of its deletions."""
    scopes: tuple[str, ...] = ()
    """OAuth scopes of which one suffices to read the list."""

    @property
    def version(self) -> str:
        """``v1`` or ``v2``."""
        return "v2" if self.path.startswith("/api/v2") else "v1"

    @property
    def partitioned(self) -> bool:
        """Whether ``update_time`` windows are possible at all."""
        return self.bounds is not Bounds.NONE

    @property
    def include_fields(self) -> tuple[str, ...]:
        """Properties that come only through the ``include_fields`` parameter."""
        return tuple(prop.key for prop in self.properties if prop.optional)

    def property(self, key: str) -> Property | None:
        """The built-in property of that key."""
        return next((prop for prop in self.properties if prop.key == key), None)


def _properties(table: str, optional: str = "") -> tuple[Property, ...]:
    return tuple(_parse(table, optional=False)) + tuple(_parse(optional, optional=True))


def _parse(table: str, *, optional: bool) -> Iterator[Property]:
    for line in table.split(";"):
        field_type, _, keys = line.strip().partition(":")
        for key in keys.split():
            yield Property(key, field_type, optional)


_COUNTS = (
    "email_messages_count activities_count done_activities_count undone_activities_count "
    "files_count notes_count followers_count"
)
_DEAL_COUNTS = (
    "open_deals_count closed_deals_count won_deals_count lost_deals_count related_open_deals_count "
    "related_closed_deals_count related_won_deals_count related_lost_deals_count"
)

DEALS = ObjectType(
    name="deals",
    path="/api/v2/deals",
    paging=Paging.CURSOR,
    bounds=Bounds.BOTH,
    list_cost=10,
    get_cost=1,
    archived_path="/api/v2/deals/archived",
    archived_cost=20,
    fields_path="/api/v2/dealFields",
    fields_cost=10,
    custom_fields=CustomFields.NESTED,
    filters=("filter_id", "owner_id", "person_id", "org_id", "pipeline_id", "stage_id", "status"),
    recents_item="deal",
    scopes=("deals:read", "deals:full"),
    properties=_properties(
        """int: id; varchar: title; user: creator_user_id owner_id; people: person_id; org: org_id;
        pipeline: pipeline_id; stage: stage_id; double: value; varchar: currency;
        datetime: add_time update_time stage_change_time; status: status; boolean: is_deleted is_archived;
        datetime: archive_time; double: probability; varchar: lost_reason; visible_to: visible_to;
        datetime: close_time won_time lost_time;
        date: local_won_date local_lost_date local_close_date expected_close_date; ids: label_ids;
        varchar: origin origin_id; int: channel; varchar: channel_id; double: arr mrr acv""",
        optional=f"""activity: next_activity_id last_activity_id; datetime: first_won_time;
        int: products_count participants_count {_COUNTS};
        datetime: last_incoming_mail_time last_outgoing_mail_time; varchar: smart_bcc_email;
        uuid: source_lead_id""",
    ),
)

PERSONS = ObjectType(
    name="persons",
    path="/api/v2/persons",
    paging=Paging.CURSOR,
    bounds=Bounds.BOTH,
    list_cost=10,
    get_cost=1,
    fields_path="/api/v2/personFields",
    fields_cost=10,
    custom_fields=CustomFields.NESTED,
    filters=("filter_id", "owner_id", "org_id", "deal_id"),
    recents_item="person",
    scopes=("contacts:read", "contacts:full"),
    properties=_properties(
        """int: id; varchar: name first_name last_name; user: owner_id; org: org_id;
        datetime: add_time update_time; contacts: emails phones; boolean: is_deleted;
        visible_to: visible_to; ids: label_ids; int: picture_id; address: postal_address; text: notes;
        contacts: im; date: birthday; varchar: job_title""",
        optional=f"""activity: next_activity_id last_activity_id;
        int: {_DEAL_COUNTS} participant_open_deals_count participant_closed_deals_count {_COUNTS};
        datetime: last_incoming_mail_time last_outgoing_mail_time;
        varchar: marketing_status doi_status smart_bcc_email""",
    ),
)

ORGANIZATIONS = ObjectType(
    name="organizations",
    path="/api/v2/organizations",
    paging=Paging.CURSOR,
    bounds=Bounds.BOTH,
    list_cost=10,
    get_cost=1,
    fields_path="/api/v2/organizationFields",
    fields_cost=10,
    custom_fields=CustomFields.NESTED,
    filters=("filter_id", "owner_id"),
    recents_item="organization",
    scopes=("contacts:read", "contacts:full"),
    properties=_properties(
        """int: id; varchar: name; user: owner_id; datetime: add_time update_time; boolean: is_deleted;
        visible_to: visible_to; address: address; ids: label_ids; varchar: website linkedin;
        int: industry; double: annual_revenue; int: employee_count""",
        optional=f"""activity: next_activity_id last_activity_id; int: {_DEAL_COUNTS} people_count {_COUNTS};
        varchar: smart_bcc_email""",
    ),
)

ACTIVITIES = ObjectType(
    name="activities",
    path="/api/v2/activities",
    paging=Paging.CURSOR,
    bounds=Bounds.BOTH,
    list_cost=10,
    get_cost=1,
    fields_path="/api/v2/activityFields",
    fields_cost=10,
    filters=("filter_id", "owner_id", "deal_id", "lead_id", "person_id", "org_id", "done"),
    recents_item="activity",
    scopes=("activities:read", "activities:full"),
    properties=_properties(
        """int: id; varchar: subject type; user: owner_id creator_user_id; boolean: is_deleted;
        datetime: add_time update_time; deal: deal_id; uuid: lead_id; people: person_id; org: org_id;
        project: project_id; date: due_date; clock: due_time duration; boolean: busy done;
        datetime: marked_as_done_time; address: location; json: participants;
        varchar: conference_meeting_client conference_meeting_url conference_meeting_id;
        text: public_description; int: priority; text: note; int: outcome""",
        optional="json: attendees",
    ),
)

PRODUCTS = ObjectType(
    name="products",
    path="/api/v2/products",
    paging=Paging.CURSOR,
    bounds=Bounds.BELOW,
    list_cost=10,
    get_cost=1,
    fields_path="/api/v2/productFields",
    fields_cost=10,
    custom_fields=CustomFields.NESTED,
    filters=("filter_id", "owner_id"),
    recents_item="product",
    scopes=("products:read", "products:full"),
    properties=_properties(
        """int: id; varchar: name code; text: description; varchar: unit; double: tax; varchar: category;
        boolean: is_linkable is_deleted; visible_to: visible_to; user: owner_id;
        datetime: add_time update_time; varchar: billing_frequency; int: billing_frequency_cycles;
        json: prices""",
    ),
)

PIPELINES = ObjectType(
    name="pipelines",
    path="/api/v2/pipelines",
    paging=Paging.CURSOR,
    bounds=Bounds.NONE,
    list_cost=5,
    get_cost=1,
    scopes=("deals:read", "deals:full", "admin"),
    recents_item="pipeline",
    properties=_properties(
        """int: id; varchar: name; int: order_nr; boolean: is_deleted is_deal_probability_enabled;
        datetime: add_time update_time""",
    ),
)

STAGES = ObjectType(
    name="stages",
    path="/api/v2/stages",
    paging=Paging.CURSOR,
    bounds=Bounds.NONE,
    list_cost=5,
    get_cost=1,
    filters=("pipeline_id",),
    scopes=("deals:read", "deals:full", "admin"),
    recents_item="stage",
    properties=_properties(
        """int: id order_nr; varchar: name; boolean: is_deleted; int: deal_probability;
        pipeline: pipeline_id; boolean: is_deal_rot_enabled; int: days_to_rotten;
        datetime: add_time update_time""",
    ),
)

LEADS = ObjectType(
    name="leads",
    path="/v1/leads",
    paging=Paging.OFFSET,
    bounds=Bounds.BELOW,
    list_cost=20,
    get_cost=2,
    id_type="uuid",
    archived_path="/v1/leads/archived",
    archived_cost=40,
    fields_path="/api/v2/dealFields",
    fields_cost=10,
    custom_fields=CustomFields.FLAT,
    filters=("filter_id", "owner_id", "person_id", "organization_id"),
    scopes=("leads:read", "leads:full"),
    properties=_properties(
        """uuid: id; varchar: title; user: owner_id creator_id; uuids: label_ids; people: person_id;
        org: organization_id; varchar: source_name origin origin_id; int: channel; varchar: channel_id;
        deal: source_deal_id; boolean: is_archived was_seen; amount: value; date: expected_close_date;
        activity: next_activity_id; datetime: add_time update_time archive_time; visible_to: visible_to;
        varchar: cc_email""",
    ),
)

NOTES = ObjectType(
    name="notes",
    path="/v1/notes",
    paging=Paging.OFFSET,
    bounds=Bounds.BELOW,
    list_cost=20,
    get_cost=2,
    filters=("user_id", "lead_id", "deal_id", "person_id", "org_id"),
    recents_item="note",
    scopes=("deals:read", "deals:full", "contacts:read", "contacts:full"),
    properties=_properties(
        """int: id; boolean: active_flag; datetime: add_time update_time; text: content; user: user_id;
        deal: deal_id; people: person_id; org: org_id; uuid: lead_id; project: project_id; int: task_id;
        user: last_update_user_id; json: user deal person organization lead project task;
        boolean: pinned_to_deal_flag pinned_to_person_flag pinned_to_organization_flag
        pinned_to_lead_flag pinned_to_project_flag pinned_to_task_flag""",
    ),
)

USERS = ObjectType(
    name="users",
    path="/v1/users",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=20,
    get_cost=2,
    recents_item="user",
    scopes=("users:read",),
    properties=_properties(
        """int: id; varchar: name email; int: lang; varchar: locale timezone_name timezone_offset
        default_currency icon_url; boolean: active_flag is_deleted is_admin; int: role_id;
        datetime: created modified last_login; boolean: has_created_company is_you activated;
        varchar: phone; json: access""",
    ),
)

LEAD_LABELS = ObjectType(
    name="lead_labels",
    path="/v1/leadLabels",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=10,
    id_type="uuid",
    scopes=("leads:read", "leads:full"),
    properties=_properties("uuid: id; varchar: name color; datetime: add_time update_time"),
)

ACTIVITY_TYPES = ObjectType(
    name="activity_types",
    path="/v1/activityTypes",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=20,
    recents_item="activityType",
    scopes=("activities:read", "activities:full", "admin"),
    properties=_properties(
        """int: id; varchar: name icon_key color; int: order_nr; varchar: key_string;
        boolean: active_flag is_custom_flag; datetime: add_time update_time""",
    ),
)

CURRENCIES = ObjectType(
    name="currencies",
    path="/v1/currencies",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=20,
    scopes=("base",),
    properties=_properties(
        """int: id; varchar: code name; int: decimal_points; varchar: symbol;
        boolean: active_flag is_custom_flag""",
    ),
)

FILTERS = ObjectType(
    name="filters",
    path="/v1/filters",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=20,
    get_cost=2,
    recents_item="filter",
    scopes=(
        "deals:read",
        "deals:full",
        "activities:read",
        "activities:full",
        "contacts:read",
        "contacts:full",
    ),
    properties=_properties(
        """int: id; varchar: name filter_code; boolean: is_editable active_flag; varchar: type;
        boolean: temporary_flag; user: user_id; datetime: add_time update_time; visible_to: visible_to;
        datetime: last_used_time; int: custom_view_id""",
    ),
)

CATALOGUE: dict[str, ObjectType] = {
    object_type.name: object_type
    for object_type in (
        DEALS,
        PERSONS,
        ORGANIZATIONS,
        ACTIVITIES,
        PRODUCTS,
        LEADS,
        NOTES,
        PIPELINES,
        STAGES,
        USERS,
        LEAD_LABELS,
        ACTIVITY_TYPES,
        CURRENCIES,
        FILTERS,
    )
}
"""Every importable object type by name."""

USERS_ME_PATH = "/v1/users/me"
USERS_ME_COST = 2
RECENTS_PATH = "/v1/recents"
RECENTS_COST = 20
RECENTS_DAYS = 30
"""How far back the recents feed and ``status=deleted`` reach, in days."""


def near_matches(name: str, known: Iterator[str] | list[str]) -> list[str]:
    """Up to three known names that the user may have meant, likeliest first.

    Case, dashes, blanks and camelCase are looked through, so ``activityTypes`` finds
    ``activity_types``.
    """
    folded = {_fold(candidate): candidate for candidate in known}
    return [folded[match] for match in get_close_matches(_fold(name), list(folded), n=3, cutoff=0.6)]


def _fold(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
