"""The catalogue: one row per collection of Pipedrive that is built in.

Paths, parameters and prices are those of Pipedrive's OpenAPI files (``x-token-cost``).
"""

from __future__ import annotations

from pipedrive_orchestration.pipedrive import builtin_fields
from pipedrive_orchestration.pipedrive.builtin_fields import Property
from pipedrive_orchestration.pipedrive.object_types import (
    Bounds,
    CustomFields,
    Entries,
    Listing,
    ObjectType,
    Paging,
    Parent,
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
    fields_scopes=("deals:read", "deals:full", "deal-fields:full", "admin"),
    custom_fields=CustomFields.NESTED,
    filters=("filter_id", "owner_id", "person_id", "org_id", "pipeline_id", "stage_id", "status"),
    recents_item="deal",
    every_status="open,won,lost,deleted",
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
    fields_scopes=("contacts:read", "contacts:full", "contact-fields:full", "admin"),
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
    fields_scopes=("contacts:read", "contacts:full", "contact-fields:full", "admin"),
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
    fields_scopes=("admin",),
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
    fields_scopes=("products:read", "products:full", "product-fields:full"),
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
    fields_scopes=("deals:read", "deals:full", "deal-fields:full", "admin"),
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
    alone_query=(("include_field_code", "true"),),
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

FILES = ObjectType(
    name="files",
    path="/v1/files",
    paging=Paging.OFFSET,
    bounds=Bounds.ORDER,
    list_cost=20,
    get_cost=2,
    page_size=100,
    recents_item="file",
    active_key="active_flag",
    content_path="/v1/files/{id}/download",
    content_cost=20,
    scopes=(
        "deals:read",
        "deals:full",
        "activities:read",
        "activities:full",
        "contacts:read",
        "contacts:full",
    ),
    properties=builtin_fields.FILES,
)

_PROJECTS_ADD_ON = "the Projects add-on"
_ADMINISTRATOR = "a token of an administrator"
_PROJECTS = ("projects:read", "projects:full")
_OF_DEALS = ("deals:read", "deals:full")
_OF_CONTACTS = ("contacts:read", "contacts:full")
_OF_PRODUCTS = ("products:read", "products:full")

DEAL_PRODUCTS = ObjectType(
    name="deal_products",
    path="/api/v2/deals/products",
    paging=Paging.CURSOR,
    bounds=Bounds.NONE,
    list_cost=10,
    parent=Parent(
        "deals", parameter="deal_ids", batch=100, property="deal_id", counted="products_count", least=1
    ),
    scopes=("products:read", "products:full", "deals:read", "deals:full"),
    properties=builtin_fields.DEAL_PRODUCTS,
)

DEAL_INSTALLMENTS = ObjectType(
    name="deal_installments",
    path="/api/v2/deals/installments",
    paging=Paging.CURSOR,
    bounds=Bounds.NONE,
    list_cost=10,
    parent=Parent(
        "deals", parameter="deal_ids", batch=100, property="deal_id", counted="products_count", least=1
    ),
    scopes=_OF_DEALS,
    properties=builtin_fields.DEAL_INSTALLMENTS,
)

DEAL_DISCOUNTS = ObjectType(
    name="deal_discounts",
    path="/api/v2/deals/{parent}/discounts",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=10,
    id_type="uuid",
    parent=Parent("deals", counted="products_count", least=1),
    stamp="updated_at",
    scopes=_OF_DEALS,
    properties=builtin_fields.DEAL_DISCOUNTS,
)

DEAL_PARTICIPANTS = ObjectType(
    name="deal_participants",
    path="/v1/deals/{parent}/participants",
    paging=Paging.OFFSET,
    bounds=Bounds.NONE,
    list_cost=10,
    parent=Parent("deals", counted="participants_count", least=2),
    scopes=_OF_DEALS,
    properties=builtin_fields.DEAL_PARTICIPANTS,
)

DEAL_PARTICIPANT_CHANGES = ObjectType(
    name="deal_participant_changes",
    path="/v1/deals/{parent}/participantsChangelog",
    paging=Paging.CURSOR,
    bounds=Bounds.NONE,
    list_cost=10,
    id_type="text",
    parent=Parent("deals", key=("time", "action", "person_id", "actor_user_id"), is_history=True),
    stamp="time",
    scopes=_OF_DEALS,
    properties=builtin_fields.PARTICIPANT_CHANGES,
)

NOTE_COMMENTS = ObjectType(
    name="note_comments",
    path="/v1/notes/{parent}/comments",
    paging=Paging.OFFSET,
    bounds=Bounds.NONE,
    list_cost=20,
    id_type="text",
    parent=Parent("notes", key=("uuid",)),
    scopes=(*_OF_DEALS, *_OF_CONTACTS),
    properties=builtin_fields.NOTE_COMMENTS,
)

PRODUCT_VARIATIONS = ObjectType(
    name="product_variations",
    path="/api/v2/products/{parent}/variations",
    paging=Paging.CURSOR,
    bounds=Bounds.NONE,
    list_cost=10,
    parent=Parent("products"),
    scopes=_OF_PRODUCTS,
    properties=builtin_fields.PRODUCT_VARIATIONS,
)

ORGANIZATION_RELATIONSHIPS = ObjectType(
    name="organization_relationships",
    path="/v1/organizationRelationships",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=20,
    id_type="text",
    # One relationship comes with both organizations, and with each of them it is called otherwise.
    parent=Parent("organizations", parameter="org_id", key=("id",)),
    scopes=_OF_CONTACTS,
    properties=builtin_fields.ORGANIZATION_RELATIONSHIPS,
)


def _changes(one: str, counted: str | None = None) -> ObjectType:
    """The changelog of every record of a collection."""
    return ObjectType(
        name=f"{one}_changes",
        path=f"/v1/{one}s/{{parent}}/changelog",
        paging=Paging.CURSOR,
        bounds=Bounds.NONE,
        list_cost=20,
        id_type="text",
        parent=Parent(
            f"{one}s", counted=counted, key=builtin_fields.CHANGE_KEY, is_history=True, is_stamped=True
        ),
        stamp="time",
        scopes=("recents:read",),
        properties=builtin_fields.CHANGES,
    )


def _followers(one: str, scopes: tuple[str, ...], counted: str | None = None) -> ObjectType:
    """The users who follow every record of a collection."""
    return ObjectType(
        name=f"{one}_followers",
        path=f"/api/v2/{one}s/{{parent}}/followers",
        paging=Paging.CURSOR,
        bounds=Bounds.NONE,
        list_cost=10,
        id_type="text",
        parent=Parent(f"{one}s", counted=counted, least=1, key=("user_id",)),
        scopes=scopes,
        properties=builtin_fields.FOLLOWERS,
    )


def _follower_changes(one: str, scopes: tuple[str, ...]) -> ObjectType:
    """The users who began and ceased to follow every record of a collection."""
    return ObjectType(
        name=f"{one}_follower_changes",
        path=f"/api/v2/{one}s/{{parent}}/followers/changelog",
        paging=Paging.CURSOR,
        bounds=Bounds.NONE,
        list_cost=10,
        id_type="text",
        parent=Parent(
            f"{one}s", key=("time", "action", "follower_user_id", "actor_user_id"), is_history=True
        ),
        stamp="time",
        scopes=scopes,
        properties=builtin_fields.FOLLOWER_CHANGES,
    )


def _permitted_users(one: str, scopes: tuple[str, ...]) -> ObjectType:
    """The users who may see every record of a collection."""
    return ObjectType(
        name=f"{one}_permitted_users",
        path=f"/v1/{one}s/{{parent}}/permittedUsers",
        paging=Paging.NONE,
        bounds=Bounds.NONE,
        list_cost=10,
        id_type="text",
        parent=Parent(f"{one}s", key=("user_id",)),
        plain="user_id",
        scopes=scopes,
        properties=builtin_fields.PERMITTED_USERS,
    )


def _mail_messages(one: str) -> ObjectType:
    """The messages that are linked to every record of a collection, as far as the user may see them."""
    return ObjectType(
        name=f"{one}_mail_messages",
        path=f"/v1/{one}s/{{parent}}/mailMessages",
        paging=Paging.OFFSET,
        bounds=Bounds.NONE,
        list_cost=20,
        id_type="text",
        parent=Parent(f"{one}s", counted="email_messages_count", least=1, key=("id",)),
        inner="data",
        scopes=("mail:read", "mail:full"),
        properties=builtin_fields.MAIL_MESSAGES,
    )


_MAILBOX = "a mailbox that is synchronised with Pipedrive"

MAIL_THREADS = ObjectType(
    name="mail_threads",
    path="/v1/mailbox/mailThreads",
    paging=Paging.OFFSET,
    bounds=Bounds.NONE,
    list_cost=20,
    get_cost=20,
    # A thread can lie in several folders, and comes with each.
    questions=tuple((("folder", folder),) for folder in ("inbox", "drafts", "sent", "archive")),
    scopes=("mail:read", "mail:full"),
    requires=_MAILBOX,
    properties=builtin_fields.MAIL_THREADS,
)

MAIL_MESSAGES = ObjectType(
    name="mail_messages",
    path="/v1/mailbox/mailThreads/{parent}/mailMessages",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=20,
    parent=Parent("mail_threads"),
    scopes=("mail:read", "mail:full"),
    requires=_MAILBOX,
    properties=builtin_fields.MESSAGES_OF_THREADS,
)

ROLE_ASSIGNMENTS = ObjectType(
    name="role_assignments",
    path="/v1/roles/{parent}/assignments",
    paging=Paging.OFFSET,
    bounds=Bounds.NONE,
    list_cost=10,
    id_type="text",
    parent=Parent("roles", key=("user_id",)),
    scopes=("admin",),
    requires=_ADMINISTRATOR,
    properties=builtin_fields.ROLE_ASSIGNMENTS,
)

ROLE_PIPELINES = ObjectType(
    name="role_pipelines",
    path="/v1/roles/{parent}/pipelines",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=20,
    id_type="text",
    records="pipeline_ids",
    plain="pipeline_id",
    parent=Parent("roles", key=("pipeline_id",)),
    scopes=("admin",),
    requires=_ADMINISTRATOR,
    properties=builtin_fields.ROLE_PIPELINES,
)

PERMISSION_SET_ASSIGNMENTS = ObjectType(
    name="permission_set_assignments",
    path="/v1/permissionSets/{parent}/assignments",
    paging=Paging.OFFSET,
    bounds=Bounds.NONE,
    list_cost=20,
    id_type="text",
    parent=Parent("permission_sets", key=("user_id",)),
    scopes=("admin",),
    requires=_ADMINISTRATOR,
    properties=builtin_fields.PERMISSION_SET_ASSIGNMENTS,
)

USER_PERMISSIONS = ObjectType(
    name="user_permissions",
    path="/v1/users/{parent}/permissions",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=10,
    id_type="text",
    records=Entries("permission", "is_granted"),
    parent=Parent("users", key=("permission",)),
    scopes=("users:read",),
    properties=builtin_fields.USER_PERMISSIONS,
)

PROJECT_CHANGES = ObjectType(
    name="project_changes",
    path="/api/v2/projects/{parent}/changelog",
    paging=Paging.CURSOR,
    bounds=Bounds.NONE,
    list_cost=10,
    id_type="text",
    parent=Parent("projects", key=("time", "actor_user_id", "new_values"), is_history=True, is_stamped=True),
    stamp="time",
    scopes=_PROJECTS,
    requires=_PROJECTS_ADD_ON,
    properties=builtin_fields.PROJECT_CHANGES,
)

PROJECT_PLAN = ObjectType(
    name="project_plan",
    path="/v1/projects/{parent}/plan",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=20,
    id_type="text",
    parent=Parent("projects", key=("item_type", "item_id")),
    scopes=_PROJECTS,
    requires=_PROJECTS_ADD_ON,
    properties=builtin_fields.PROJECT_PLAN,
)

PROJECT_GROUPS = ObjectType(
    name="project_groups",
    path="/v1/projects/{parent}/groups",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=20,
    id_type="text",
    parent=Parent("projects", key=("id",)),
    scopes=_PROJECTS,
    requires=_PROJECTS_ADD_ON,
    properties=builtin_fields.PROJECT_GROUPS,
)

PROJECT_PERMITTED_USERS = ObjectType(
    name="project_permitted_users",
    path="/api/v2/projects/{parent}/permittedUsers",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=5,
    id_type="text",
    plain="user_id",
    parent=Parent("projects", key=("user_id",)),
    scopes=_PROJECTS,
    requires=_PROJECTS_ADD_ON,
    properties=builtin_fields.PERMITTED_USERS,
)

CHILDREN = (
    DEAL_PRODUCTS,
    DEAL_INSTALLMENTS,
    DEAL_DISCOUNTS,
    _changes("deal", counted="stage_change_time"),
    _changes("person"),
    _changes("organization"),
    DEAL_PARTICIPANTS,
    DEAL_PARTICIPANT_CHANGES,
    _followers("deal", _OF_DEALS, counted="followers_count"),
    _followers("person", _OF_CONTACTS, counted="followers_count"),
    _followers("organization", _OF_CONTACTS, counted="followers_count"),
    _followers("product", _OF_PRODUCTS),
    _followers("user", ("users:read",)),
    _follower_changes("deal", _OF_DEALS),
    _follower_changes("person", _OF_CONTACTS),
    _follower_changes("organization", _OF_CONTACTS),
    _follower_changes("product", _OF_PRODUCTS),
    _permitted_users("deal", _OF_DEALS),
    _permitted_users("person", _OF_CONTACTS),
    _permitted_users("organization", _OF_CONTACTS),
    _permitted_users("product", _OF_PRODUCTS),
    _permitted_users("lead", ("leads:read", "leads:full")),
    NOTE_COMMENTS,
    PRODUCT_VARIATIONS,
    ORGANIZATION_RELATIONSHIPS,
    MAIL_MESSAGES,
    _mail_messages("deal"),
    _mail_messages("person"),
    _mail_messages("organization"),
    ROLE_ASSIGNMENTS,
    ROLE_PIPELINES,
    PERMISSION_SET_ASSIGNMENTS,
    USER_PERMISSIONS,
    PROJECT_CHANGES,
    PROJECT_PLAN,
    PROJECT_GROUPS,
    PROJECT_PERMITTED_USERS,
)
"""The collections that are read per parent."""


PROJECTS = ObjectType(
    name="projects",
    path="/api/v2/projects",
    paging=Paging.CURSOR,
    bounds=Bounds.NONE,
    list_cost=10,
    get_cost=1,
    archived_path="/api/v2/projects/archived",
    archived_cost=10,
    archived_key="archive_time",
    fields_path="/api/v2/projectFields",
    fields_cost=10,
    fields_scopes=(*_PROJECTS, "project-fields:full"),
    custom_fields=CustomFields.NESTED,
    chooses_custom_fields=False,
    filters=("phase_id",),
    scopes=_PROJECTS,
    requires=_PROJECTS_ADD_ON,
    properties=builtin_fields.PROJECTS,
)

TASKS = ObjectType(
    name="tasks",
    path="/api/v2/tasks",
    paging=Paging.CURSOR,
    bounds=Bounds.NONE,
    list_cost=10,
    get_cost=1,
    filters=("project_id",),
    scopes=_PROJECTS,
    requires=_PROJECTS_ADD_ON,
    properties=builtin_fields.TASKS,
)

BOARDS = ObjectType(
    name="boards",
    path="/api/v2/boards",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=10,
    get_cost=10,
    scopes=_PROJECTS,
    requires=_PROJECTS_ADD_ON,
    properties=builtin_fields.BOARDS,
)

PHASES = ObjectType(
    name="phases",
    path="/api/v2/phases",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=10,
    get_cost=10,
    parents=BOARDS.listing,
    parameter="board_id",
    scopes=_PROJECTS,
    requires=_PROJECTS_ADD_ON,
    properties=builtin_fields.PHASES,
)

PROJECT_TEMPLATES = ObjectType(
    name="project_templates",
    path="/api/v2/projectTemplates",
    paging=Paging.CURSOR,
    bounds=Bounds.NONE,
    list_cost=10,
    get_cost=1,
    scopes=_PROJECTS,
    requires=_PROJECTS_ADD_ON,
    properties=builtin_fields.PROJECT_TEMPLATES,
)

ROLES = ObjectType(
    name="roles",
    path="/v1/roles",
    paging=Paging.OFFSET,
    bounds=Bounds.NONE,
    list_cost=20,
    get_cost=2,
    scopes=("admin",),
    requires=_ADMINISTRATOR,
    properties=builtin_fields.ROLES,
)

PERMISSION_SETS = ObjectType(
    name="permission_sets",
    path="/v1/permissionSets",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=20,
    get_cost=2,
    id_type="text",
    scopes=("admin",),
    requires=f"{_ADMINISTRATOR}, and a plan with permission sets",
    properties=builtin_fields.PERMISSION_SETS,
)

LEGACY_TEAMS = ObjectType(
    name="legacy_teams",
    path="/v1/legacyTeams",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=20,
    get_cost=2,
    scopes=("users:read",),
    requires="a plan with teams",
    properties=builtin_fields.LEGACY_TEAMS,
)

CALL_LOGS = ObjectType(
    name="call_logs",
    path="/v1/callLogs",
    paging=Paging.OFFSET,
    bounds=Bounds.NONE,
    list_cost=20,
    get_cost=2,
    id_type="text",
    page_size=50,
    scopes=("phone-integration",),
    requires="a phone integration",
    properties=builtin_fields.CALL_LOGS,
)

GOALS = ObjectType(
    name="goals",
    path="/v1/goals/find",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=20,
    id_type="text",
    records="goals",
    # Asked for nothing, the list has the user's own active goals. Each goal has one of the two metrics.
    questions=tuple(
        (("is_active", is_active), ("expected_outcome.tracking_metric", metric))
        for is_active in ("true", "false")
        for metric in ("quantity", "sum")
    ),
    scopes=("goals:read", "goals:full"),
    requires="a plan with goals",
    properties=builtin_fields.GOALS,
)

WEBHOOKS = ObjectType(
    name="webhooks",
    path="/v1/webhooks",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=10,
    withheld=frozenset({"http_auth_password"}),
    scopes=("admin",),
    requires=_ADMINISTRATOR,
    properties=builtin_fields.WEBHOOKS,
)

LEAD_SOURCES = ObjectType(
    name="lead_sources",
    path="/v1/leadSources",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=2,
    id_type="text",
    id_key="name",
    scopes=("leads:read", "leads:full"),
    properties=builtin_fields.LEAD_SOURCES,
)

USER_CONNECTIONS = ObjectType(
    name="user_connections",
    path="/v1/userConnections",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=20,
    id_type="text",
    id_key="service",
    records=Entries("service", "third_party_id"),
    scopes=("base",),
    properties=builtin_fields.USER_CONNECTIONS,
)


def _fields(of: ObjectType, name: str, properties: tuple[Property, ...]) -> ObjectType:
    """The list of an object type's fields as a collection of its own."""
    assert of.fields_path is not None
    return ObjectType(
        name=name,
        path=of.fields_path,
        paging=Paging.CURSOR,
        bounds=Bounds.NONE,
        list_cost=of.fields_cost,
        get_cost=1,
        id_type="text",
        id_key="field_code",
        scopes=of.fields_scopes,
        requires=of.requires,
        properties=properties,
    )


DEAL_FIELDS = _fields(DEALS, "deal_fields", builtin_fields.DEAL_FIELDS)
PERSON_FIELDS = _fields(PERSONS, "person_fields", builtin_fields.CONTACT_FIELDS)
ORGANIZATION_FIELDS = _fields(ORGANIZATIONS, "organization_fields", builtin_fields.CONTACT_FIELDS)
PRODUCT_FIELDS = _fields(PRODUCTS, "product_fields", builtin_fields.PRODUCT_FIELDS)
ACTIVITY_FIELDS = _fields(ACTIVITIES, "activity_fields", builtin_fields.ACTIVITY_FIELDS)
PROJECT_FIELDS = _fields(PROJECTS, "project_fields", builtin_fields.PROJECT_FIELDS)

LEAD_FIELDS = ObjectType(
    name="lead_fields",
    path="/v1/leadFields",
    paging=Paging.OFFSET,
    bounds=Bounds.NONE,
    list_cost=20,
    id_type="text",
    id_key="key",
    scopes=(*LEADS.scopes, "admin"),
    properties=builtin_fields.LEAD_FIELDS,
)

NOTE_FIELDS = ObjectType(
    name="note_fields",
    path="/v1/noteFields",
    paging=Paging.NONE,
    bounds=Bounds.NONE,
    list_cost=20,
    id_type="text",
    id_key="key",
    scopes=NOTES.scopes,
    properties=builtin_fields.NOTE_FIELDS,
)

FIELD_TABLES = (
    DEAL_FIELDS,
    PERSON_FIELDS,
    ORGANIZATION_FIELDS,
    PRODUCT_FIELDS,
    ACTIVITY_FIELDS,
    PROJECT_FIELDS,
    LEAD_FIELDS,
    NOTE_FIELDS,
)
"""The lists of fields, as collections."""

BUILT_IN: dict[str, ObjectType] = {
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
        FILES,
        MAIL_THREADS,
        *CHILDREN,
        PROJECTS,
        TASKS,
        BOARDS,
        PHASES,
        PROJECT_TEMPLATES,
        ROLES,
        PERMISSION_SETS,
        LEGACY_TEAMS,
        CALL_LOGS,
        GOALS,
        WEBHOOKS,
        LEAD_SOURCES,
        USER_CONNECTIONS,
        *FIELD_TABLES,
    )
}
"""Every importable object type by name."""

USERS_ME_PATH = "/v1/users/me"
USERS_ME_COST = 2
RECENTS_PATH = "/v1/recents"
RECENTS_COST = 20
RECENTS_SCOPES = ("recents:read", "search:read")
"""OAuth scopes of which one suffices to read the recents feed."""
RECENTS = Listing(RECENTS_PATH, RECENTS_COST, Paging.OFFSET, Bounds.BELOW)
"""The feed of what changed in an account of late, deletions included."""

RECENTS_DAYS = 30
"""The days that the recents feed and ``status=deleted`` reach back."""
