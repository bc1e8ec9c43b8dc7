"""The catalogue: one row per Pipedrive collection that can be imported.

Paths, parameters and prices are those of Pipedrive's OpenAPI files (``x-token-cost``).

The catalogue and what it is made of import nothing else of ours, so that the demo account can be built from
the same facts.
"""

from __future__ import annotations

from pipedrive_orchestration.pipedrive import builtin_fields
from pipedrive_orchestration.pipedrive.object_type import Bounds, CustomFields, ObjectType, Paging

MAX_PAGE_SIZE = 500
"""Largest ``limit`` of every list below (requests cost the same at any limit)."""

MAX_IDS_PER_REQUEST = 100
"""Largest number of ids in the ``ids`` parameter of a v2 list."""

MAX_CUSTOM_FIELDS_PER_REQUEST = 15
"""Largest number of keys in the ``custom_fields`` parameter of a v2 list."""

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
    properties=builtin_fields.DEALS,
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
    properties=builtin_fields.PERSONS,
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
    properties=builtin_fields.ORGANIZATIONS,
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
    properties=builtin_fields.ACTIVITIES,
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
    properties=builtin_fields.PRODUCTS,
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
    properties=builtin_fields.PIPELINES,
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
    properties=builtin_fields.STAGES,
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
    properties=builtin_fields.LEADS,
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
    properties=builtin_fields.NOTES,
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
    properties=builtin_fields.USERS,
)

LEAD_LABELS = ObjectType(
    name="lead_labels",
    path="/v1/leadLabels",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=10,
    id_type="uuid",
    scopes=("leads:read", "leads:full"),
    properties=builtin_fields.LEAD_LABELS,
)

ACTIVITY_TYPES = ObjectType(
    name="activity_types",
    path="/v1/activityTypes",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=20,
    recents_item="activityType",
    scopes=("activities:read", "activities:full", "admin"),
    properties=builtin_fields.ACTIVITY_TYPES,
)

CURRENCIES = ObjectType(
    name="currencies",
    path="/v1/currencies",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=20,
    scopes=("base",),
    properties=builtin_fields.CURRENCIES,
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
    properties=builtin_fields.FILTERS,
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
