"""The catalogue: one row per collection of Pipedrive that is built in.

Paths, parameters and prices are those of Pipedrive's OpenAPI files (``x-token-cost``).
"""

from __future__ import annotations

from pipedrive_orchestration.pipedrive import builtin_fields
from pipedrive_orchestration.pipedrive.builtin_fields import Property
from pipedrive_orchestration.pipedrive.object_types import (
    Bounds,
    Catalogue,
    CustomFields,
    Entries,
    Linked,
    Listing,
    ObjectType,
    Paging,
    Parent,
    Single,
)

# fmt: off

_PROJECTS_ADD_ON = "the Projects add-on"
_ADMINISTRATOR = "a token of an administrator"
_PROJECTS = ("projects:read", "projects:full")
_OF_DEALS = ("deals:read", "deals:full")
_OF_CONTACTS = ("contacts:read", "contacts:full")
_OF_PRODUCTS = ("products:read", "products:full")
_OF_ACTIVITIES = ("activities:read", "activities:full")
_OF_LEADS = ("leads:read", "leads:full")
_OF_MAIL = ("mail:read", "mail:full")
_MAILBOX = "a mailbox that is synchronised with Pipedrive"

DEALS = ObjectType(
    "deals", "/api/v2/deals", 10, builtin_fields.DEALS, bounds=Bounds.BOTH, get_cost=1,
    archived_path="/api/v2/deals/archived", archived_cost=20, fields_path="/api/v2/dealFields",
    fields_cost=10, fields_scopes=("deals:read", "deals:full", "deal-fields:full", "admin"),
    custom_fields=CustomFields.NESTED,
    filters=("filter_id", "owner_id", "person_id", "org_id", "pipeline_id", "stage_id", "status"),
    recents_item="deal", every_status="open,won,lost,deleted", scopes=_OF_DEALS,
)

PERSONS = ObjectType(
    "persons", "/api/v2/persons", 10, builtin_fields.PERSONS, bounds=Bounds.BOTH, get_cost=1,
    fields_path="/api/v2/personFields", fields_cost=10,
    fields_scopes=("contacts:read", "contacts:full", "contact-fields:full", "admin"),
    custom_fields=CustomFields.NESTED, filters=("filter_id", "owner_id", "org_id", "deal_id"),
    recents_item="person", scopes=_OF_CONTACTS,
)

ORGANIZATIONS = ObjectType(
    "organizations", "/api/v2/organizations", 10, builtin_fields.ORGANIZATIONS, bounds=Bounds.BOTH,
    get_cost=1, fields_path="/api/v2/organizationFields", fields_cost=10,
    fields_scopes=("contacts:read", "contacts:full", "contact-fields:full", "admin"),
    custom_fields=CustomFields.NESTED, filters=("filter_id", "owner_id"), recents_item="organization",
    scopes=_OF_CONTACTS,
)

ACTIVITIES = ObjectType(
    "activities", "/api/v2/activities", 10, builtin_fields.ACTIVITIES, bounds=Bounds.BOTH, get_cost=1,
    fields_path="/api/v2/activityFields", fields_cost=10, fields_scopes=("admin",),
    filters=("filter_id", "owner_id", "deal_id", "lead_id", "person_id", "org_id", "done"),
    recents_item="activity", scopes=_OF_ACTIVITIES,
)

PRODUCTS = ObjectType(
    "products", "/api/v2/products", 10, builtin_fields.PRODUCTS, bounds=Bounds.BELOW, get_cost=1,
    fields_path="/api/v2/productFields", fields_cost=10,
    fields_scopes=("products:read", "products:full", "product-fields:full"),
    custom_fields=CustomFields.NESTED, filters=("filter_id", "owner_id"), recents_item="product",
    scopes=_OF_PRODUCTS,
)

PIPELINES = ObjectType(
    "pipelines", "/api/v2/pipelines", 5, builtin_fields.PIPELINES, get_cost=1,
    scopes=("deals:read", "deals:full", "admin"), recents_item="pipeline",
)

STAGES = ObjectType(
    "stages", "/api/v2/stages", 5, builtin_fields.STAGES, get_cost=1, filters=("pipeline_id",),
    scopes=("deals:read", "deals:full", "admin"), recents_item="stage",
)

LEADS = ObjectType(
    "leads", "/v1/leads", 20, builtin_fields.LEADS, paging=Paging.OFFSET, bounds=Bounds.BELOW, get_cost=2,
    id_type="uuid", archived_path="/v1/leads/archived", archived_cost=40, fields_path="/api/v2/dealFields",
    fields_cost=10, fields_scopes=("deals:read", "deals:full", "deal-fields:full", "admin"),
    custom_fields=CustomFields.FLAT, filters=("filter_id", "owner_id", "person_id", "organization_id"),
    scopes=_OF_LEADS,
)

NOTES = ObjectType(
    "notes", "/v1/notes", 20, builtin_fields.NOTES, paging=Paging.OFFSET, bounds=Bounds.BELOW, get_cost=2,
    filters=("user_id", "lead_id", "deal_id", "person_id", "org_id"), recents_item="note",
    scopes=("deals:read", "deals:full", "contacts:read", "contacts:full"),
)

USERS = ObjectType(
    "users", "/v1/users", 20, builtin_fields.USERS, paging=Paging.NONE, get_cost=2, recents_item="user",
    scopes=("users:read",),
)

LEAD_LABELS = ObjectType(
    "lead_labels", "/v1/leadLabels", 10, builtin_fields.LEAD_LABELS, paging=Paging.NONE, id_type="uuid",
    scopes=_OF_LEADS,
)

ACTIVITY_TYPES = ObjectType(
    "activity_types", "/v1/activityTypes", 20, builtin_fields.ACTIVITY_TYPES, paging=Paging.NONE,
    recents_item="activityType", scopes=("activities:read", "activities:full", "admin"),
)

CURRENCIES = ObjectType(
    "currencies", "/v1/currencies", 20, builtin_fields.CURRENCIES, paging=Paging.NONE, scopes=("base",),
)

FILTERS = ObjectType(
    "filters", "/v1/filters", 20, builtin_fields.FILTERS, paging=Paging.NONE, get_cost=2,
    recents_item="filter", alone_query=(("include_field_code", "true"),),
    scopes=(*_OF_DEALS, *_OF_ACTIVITIES, *_OF_CONTACTS),
)

FILES = ObjectType(
    "files", "/v1/files", 20, builtin_fields.FILES, paging=Paging.OFFSET, bounds=Bounds.ORDER, get_cost=2,
    page_size=100, recents_item="file", active_key="active_flag", content_path="/v1/files/{id}/download",
    content_cost=20,
    scopes=(*_OF_DEALS, *_OF_ACTIVITIES, *_OF_CONTACTS),
)

# A thread can lie in several folders, and comes with each.
MAIL_THREADS = ObjectType(
    "mail_threads", "/v1/mailbox/mailThreads", 20, builtin_fields.MAIL_THREADS, paging=Paging.OFFSET,
    get_cost=20,
    questions=tuple((("folder", folder),) for folder in ("inbox", "drafts", "sent", "archive")),
    scopes=_OF_MAIL, requires=_MAILBOX,
)


PROJECTS = ObjectType(
    "projects", "/api/v2/projects", 10, builtin_fields.PROJECTS, get_cost=1,
    archived_path="/api/v2/projects/archived", archived_cost=10, archived_key="archive_time",
    fields_path="/api/v2/projectFields", fields_cost=10, fields_scopes=(*_PROJECTS, "project-fields:full"),
    custom_fields=CustomFields.NESTED, chooses_custom_fields=False, filters=("phase_id",),
    scopes=_PROJECTS, requires=_PROJECTS_ADD_ON,
)

TASKS = ObjectType(
    "tasks", "/api/v2/tasks", 10, builtin_fields.TASKS, get_cost=1, filters=("project_id",),
    scopes=_PROJECTS, requires=_PROJECTS_ADD_ON,
)

BOARDS = ObjectType(
    "boards", "/api/v2/boards", 10, builtin_fields.BOARDS, paging=Paging.NONE, get_cost=10,
    scopes=_PROJECTS, requires=_PROJECTS_ADD_ON,
)

PHASES = ObjectType(
    "phases", "/api/v2/phases", 10, builtin_fields.PHASES, paging=Paging.NONE, get_cost=10,
    parents=BOARDS.listing, parameter="board_id", scopes=_PROJECTS, requires=_PROJECTS_ADD_ON,
)

PROJECT_TEMPLATES = ObjectType(
    "project_templates", "/api/v2/projectTemplates", 10, builtin_fields.PROJECT_TEMPLATES, get_cost=1,
    scopes=_PROJECTS, requires=_PROJECTS_ADD_ON,
)

ROLES = ObjectType(
    "roles", "/v1/roles", 20, builtin_fields.ROLES, paging=Paging.OFFSET, get_cost=2, scopes=("admin",),
    requires=_ADMINISTRATOR,
)

PERMISSION_SETS = ObjectType(
    "permission_sets", "/v1/permissionSets", 20, builtin_fields.PERMISSION_SETS, paging=Paging.NONE,
    get_cost=2, id_type="text", scopes=("admin",),
    requires=f"{_ADMINISTRATOR}, and a plan with permission sets",
)

LEGACY_TEAMS = ObjectType(
    "legacy_teams", "/v1/legacyTeams", 20, builtin_fields.LEGACY_TEAMS, paging=Paging.NONE, get_cost=2,
    scopes=("users:read",), requires="a plan with teams",
)

CALL_LOGS = ObjectType(
    "call_logs", "/v1/callLogs", 20, builtin_fields.CALL_LOGS, paging=Paging.OFFSET, get_cost=2,
    id_type="text", page_size=50, scopes=("phone-integration",), requires="a phone integration",
)

# Asked for nothing, the list has the user's own active goals. Each goal has one of the two metrics.
GOALS = ObjectType(
    "goals", "/v1/goals/find", 20, builtin_fields.GOALS, paging=Paging.NONE, id_type="text",
    records="goals",
    questions=tuple(
        (("is_active", is_active), ("expected_outcome.tracking_metric", metric))
        for is_active in ("true", "false") for metric in ("quantity", "sum")
    ),
    scopes=("goals:read", "goals:full"), requires="a plan with goals",
)

WEBHOOKS = ObjectType(
    "webhooks", "/v1/webhooks", 10, builtin_fields.WEBHOOKS, paging=Paging.NONE,
    withheld=frozenset({"http_auth_password"}), scopes=("admin",), requires=_ADMINISTRATOR,
)

LEAD_SOURCES = ObjectType(
    "lead_sources", "/v1/leadSources", 2, builtin_fields.LEAD_SOURCES, paging=Paging.NONE, id_type="text",
    id_key="name", scopes=_OF_LEADS,
)

USER_CONNECTIONS = ObjectType(
    "user_connections", "/v1/userConnections", 20, builtin_fields.USER_CONNECTIONS, paging=Paging.NONE,
    id_type="text", id_key="service", records=Entries("service", "third_party_id"), scopes=("base",),
)

DEAL_PRODUCTS = ObjectType(
    "deal_products", "/api/v2/deals/products", 10, builtin_fields.DEAL_PRODUCTS,
    parent=Parent(DEALS, parameter="deal_ids", batch=100, property="deal_id", counted="products_count",
                  least=1),
    scopes=("products:read", "products:full", "deals:read", "deals:full"),
)

DEAL_INSTALLMENTS = ObjectType(
    "deal_installments", "/api/v2/deals/installments", 10, builtin_fields.DEAL_INSTALLMENTS,
    parent=Parent(DEALS, parameter="deal_ids", batch=100, property="deal_id", counted="products_count",
                  least=1),
    scopes=_OF_DEALS,
)

DEAL_DISCOUNTS = ObjectType(
    "deal_discounts", "/api/v2/deals/{parent}/discounts", 10, builtin_fields.DEAL_DISCOUNTS,
    paging=Paging.NONE, id_type="uuid", parent=Parent(DEALS, counted="products_count", least=1),
    stamp="updated_at", scopes=_OF_DEALS,
)

DEAL_PARTICIPANTS = ObjectType(
    "deal_participants", "/v1/deals/{parent}/participants", 10, builtin_fields.DEAL_PARTICIPANTS,
    paging=Paging.OFFSET, parent=Parent(DEALS, counted="participants_count", least=2), scopes=_OF_DEALS,
)

DEAL_PARTICIPANT_CHANGES = ObjectType(
    "deal_participant_changes", "/v1/deals/{parent}/participantsChangelog", 10,
    builtin_fields.PARTICIPANT_CHANGES, id_type="text",
    parent=Parent(DEALS, key=("time", "action", "person_id", "actor_user_id"), is_history=True),
    stamp="time", scopes=_OF_DEALS,
)

NOTE_COMMENTS = ObjectType(
    "note_comments", "/v1/notes/{parent}/comments", 20, builtin_fields.NOTE_COMMENTS, paging=Paging.OFFSET,
    id_type="text", parent=Parent(NOTES, key=("uuid",)), scopes=(*_OF_DEALS, *_OF_CONTACTS),
)

PRODUCT_VARIATIONS = ObjectType(
    "product_variations", "/api/v2/products/{parent}/variations", 10, builtin_fields.PRODUCT_VARIATIONS,
    parent=Parent(PRODUCTS), scopes=_OF_PRODUCTS,
)

PRODUCT_IMAGES = ObjectType(
    "product_images", "/api/v2/products/{parent}/images", 10, builtin_fields.PRODUCT_IMAGES,
    paging=Paging.NONE, records=Single(), parent=Parent(PRODUCTS), scopes=_OF_PRODUCTS, stamp="add_time",
)

# A deal comes with each of its products.
PRODUCT_DEALS = ObjectType(
    "product_deals", "/v1/products/{parent}/deals", 20, builtin_fields.PRODUCT_DEALS, paging=Paging.OFFSET,
    id_type="text", parent=Parent(PRODUCTS, key=("id",)), scopes=_OF_DEALS,
)

PERSON_PRODUCTS = ObjectType(
    "person_products", "/v1/persons/{parent}/products", 20, builtin_fields.PERSON_PRODUCTS,
    paging=Paging.OFFSET, id_type="text", records=Linked(("deal", "product")),
    parent=Parent(PERSONS, key=("deal_id", "product_id")), scopes=_OF_CONTACTS,
)

GOAL_RESULTS = ObjectType(
    "goal_results", "/v1/goals/{parent}/results", 20, builtin_fields.GOAL_RESULTS, paging=Paging.NONE,
    id_type="text", id_key="", records=Single(),
    parent=Parent(GOALS, counted="duration", period=("period.start", "period.end")),
    scopes=("goals:read", "goals:full"), requires="a plan with goals",
)

# One relationship comes with both organizations, and with each of them it is called otherwise.
ORGANIZATION_RELATIONSHIPS = ObjectType(
    "organization_relationships", "/v1/organizationRelationships", 20,
    builtin_fields.ORGANIZATION_RELATIONSHIPS, paging=Paging.NONE, id_type="text",
    parent=Parent(ORGANIZATIONS, parameter="org_id", key=("id",)), scopes=_OF_CONTACTS,
)


def _changes(of: ObjectType, counted: str | None = None) -> ObjectType:
    """The changelog of every record of a collection."""
    return ObjectType(
        f"{of.singular}_changes", f"/v1/{of.name}/{{parent}}/changelog", 20, builtin_fields.CHANGES,
        id_type="text",
        parent=Parent(of, counted=counted, key=builtin_fields.CHANGE_KEY, is_history=True,
                      is_stamped=True),
        stamp="time", scopes=("recents:read",),
    )


def _flow(of: ObjectType) -> ObjectType:
    """What happened to every record of a collection: its changes, and what was linked to it."""
    return ObjectType(
        f"{of.singular}_flow", f"/v1/{of.name}/{{parent}}/flow", 40, builtin_fields.FLOW,
        paging=Paging.OFFSET, id_type="text", parent=Parent(of, key=("object", "timestamp", "data.id")),
        questions=((("all_changes", "1"),),), stamp="timestamp", scopes=("recents:read",),
    )


def _followers(of: ObjectType, scopes: tuple[str, ...], counted: str | None = None) -> ObjectType:
    """The users who follow every record of a collection."""
    return ObjectType(
        f"{of.singular}_followers", f"/api/v2/{of.name}/{{parent}}/followers", 10, builtin_fields.FOLLOWERS,
        id_type="text", parent=Parent(of, counted=counted, least=1, key=("user_id",)),
        scopes=scopes,
    )


def _follower_changes(of: ObjectType, scopes: tuple[str, ...]) -> ObjectType:
    """The users who began and ceased to follow every record of a collection."""
    return ObjectType(
        f"{of.singular}_follower_changes", f"/api/v2/{of.name}/{{parent}}/followers/changelog", 10,
        builtin_fields.FOLLOWER_CHANGES, id_type="text",
        parent=Parent(of, key=("time", "action", "follower_user_id", "actor_user_id"), is_history=True),
        stamp="time", scopes=scopes,
    )


def _permitted_users(of: ObjectType, scopes: tuple[str, ...]) -> ObjectType:
    """The users who may see every record of a collection."""
    return ObjectType(
        f"{of.singular}_permitted_users", f"/v1/{of.name}/{{parent}}/permittedUsers", 10,
        builtin_fields.PERMITTED_USERS, paging=Paging.NONE, id_type="text",
        parent=Parent(of, key=("user_id",)), plain="user_id", scopes=scopes,
    )


def _mail_messages(of: ObjectType) -> ObjectType:
    """The messages that are linked to every record of a collection, as far as the user may see them."""
    return ObjectType(
        f"{of.singular}_mail_messages", f"/v1/{of.name}/{{parent}}/mailMessages", 20,
        builtin_fields.MAIL_MESSAGES, paging=Paging.OFFSET, id_type="text",
        parent=Parent(of, counted="email_messages_count", least=1, key=("id",)), inner="data",
        scopes=_OF_MAIL,
    )

MAIL_MESSAGES = ObjectType(
    "mail_messages", "/v1/mailbox/mailThreads/{parent}/mailMessages", 20,
    builtin_fields.MESSAGES_OF_THREADS, paging=Paging.NONE, parent=Parent(MAIL_THREADS),
    scopes=_OF_MAIL, requires=_MAILBOX,
)

ROLE_ASSIGNMENTS = ObjectType(
    "role_assignments", "/v1/roles/{parent}/assignments", 10, builtin_fields.ROLE_ASSIGNMENTS,
    paging=Paging.OFFSET, id_type="text", parent=Parent(ROLES, key=("user_id",)), scopes=("admin",),
    requires=_ADMINISTRATOR,
)

ROLE_PIPELINES = ObjectType(
    "role_pipelines", "/v1/roles/{parent}/pipelines", 20, builtin_fields.ROLE_PIPELINES,
    paging=Paging.NONE, id_type="text", records="pipeline_ids", plain="pipeline_id",
    parent=Parent(ROLES, key=("pipeline_id",)), scopes=("admin",), requires=_ADMINISTRATOR,
)

PERMISSION_SET_ASSIGNMENTS = ObjectType(
    "permission_set_assignments", "/v1/permissionSets/{parent}/assignments", 20,
    builtin_fields.PERMISSION_SET_ASSIGNMENTS, paging=Paging.OFFSET, id_type="text",
    parent=Parent(PERMISSION_SETS, key=("user_id",)), scopes=("admin",), requires=_ADMINISTRATOR,
)

USER_PERMISSIONS = ObjectType(
    "user_permissions", "/v1/users/{parent}/permissions", 10, builtin_fields.USER_PERMISSIONS,
    paging=Paging.NONE, id_type="text", records=Entries("permission", "is_granted"),
    parent=Parent(USERS, key=("permission",)), scopes=("users:read",),
)

PROJECT_CHANGES = ObjectType(
    "project_changes", "/api/v2/projects/{parent}/changelog", 10, builtin_fields.PROJECT_CHANGES,
    id_type="text",
    parent=Parent(PROJECTS, key=("time", "actor_user_id", "new_values"), is_history=True, is_stamped=True),
    stamp="time", scopes=_PROJECTS, requires=_PROJECTS_ADD_ON,
)

PROJECT_PLAN = ObjectType(
    "project_plan", "/v1/projects/{parent}/plan", 20, builtin_fields.PROJECT_PLAN, paging=Paging.NONE,
    id_type="text", parent=Parent(PROJECTS, key=("item_type", "item_id")), scopes=_PROJECTS,
    requires=_PROJECTS_ADD_ON,
)

PROJECT_GROUPS = ObjectType(
    "project_groups", "/v1/projects/{parent}/groups", 20, builtin_fields.PROJECT_GROUPS,
    paging=Paging.NONE, id_type="text", parent=Parent(PROJECTS, key=("id",)), scopes=_PROJECTS,
    requires=_PROJECTS_ADD_ON,
)

PROJECT_PERMITTED_USERS = ObjectType(
    "project_permitted_users", "/api/v2/projects/{parent}/permittedUsers", 5,
    builtin_fields.PERMITTED_USERS, paging=Paging.NONE, id_type="text", plain="user_id",
    parent=Parent(PROJECTS, key=("user_id",)), scopes=_PROJECTS, requires=_PROJECTS_ADD_ON,
)

CHILDREN = (
    DEAL_PRODUCTS,
    DEAL_INSTALLMENTS,
    DEAL_DISCOUNTS,
    _changes(DEALS, counted="stage_change_time"),
    _changes(PERSONS),
    _changes(ORGANIZATIONS),
    _flow(DEALS),
    _flow(PERSONS),
    _flow(ORGANIZATIONS),
    DEAL_PARTICIPANTS,
    DEAL_PARTICIPANT_CHANGES,
    _followers(DEALS, _OF_DEALS, counted="followers_count"),
    _followers(PERSONS, _OF_CONTACTS, counted="followers_count"),
    _followers(ORGANIZATIONS, _OF_CONTACTS, counted="followers_count"),
    _followers(PRODUCTS, _OF_PRODUCTS),
    _followers(USERS, ("users:read",)),
    _follower_changes(DEALS, _OF_DEALS),
    _follower_changes(PERSONS, _OF_CONTACTS),
    _follower_changes(ORGANIZATIONS, _OF_CONTACTS),
    _follower_changes(PRODUCTS, _OF_PRODUCTS),
    _permitted_users(DEALS, _OF_DEALS),
    _permitted_users(PERSONS, _OF_CONTACTS),
    _permitted_users(ORGANIZATIONS, _OF_CONTACTS),
    _permitted_users(PRODUCTS, _OF_PRODUCTS),
    _permitted_users(LEADS, _OF_LEADS),
    NOTE_COMMENTS,
    PRODUCT_VARIATIONS,
    PRODUCT_IMAGES,
    PRODUCT_DEALS,
    PERSON_PRODUCTS,
    ORGANIZATION_RELATIONSHIPS,
    MAIL_MESSAGES,
    _mail_messages(DEALS),
    _mail_messages(PERSONS),
    _mail_messages(ORGANIZATIONS),
    ROLE_ASSIGNMENTS,
    ROLE_PIPELINES,
    PERMISSION_SET_ASSIGNMENTS,
    USER_PERMISSIONS,
    GOAL_RESULTS,
    PROJECT_CHANGES,
    PROJECT_PLAN,
    PROJECT_GROUPS,
    PROJECT_PERMITTED_USERS,
)
"""The collections that are read per parent."""


def _fields(of: ObjectType, name: str, properties: tuple[Property, ...]) -> ObjectType:
    """The list of an object type's fields as a collection of its own."""
    assert of.fields_path is not None
    return ObjectType(
        name, of.fields_path, of.fields_cost, properties, get_cost=1, id_type="text", id_key="field_code",
        scopes=of.fields_scopes, requires=of.requires,
    )


DEAL_FIELDS = _fields(DEALS, "deal_fields", builtin_fields.DEAL_FIELDS)
PERSON_FIELDS = _fields(PERSONS, "person_fields", builtin_fields.CONTACT_FIELDS)
ORGANIZATION_FIELDS = _fields(ORGANIZATIONS, "organization_fields", builtin_fields.CONTACT_FIELDS)
PRODUCT_FIELDS = _fields(PRODUCTS, "product_fields", builtin_fields.PRODUCT_FIELDS)
ACTIVITY_FIELDS = _fields(ACTIVITIES, "activity_fields", builtin_fields.ACTIVITY_FIELDS)
PROJECT_FIELDS = _fields(PROJECTS, "project_fields", builtin_fields.PROJECT_FIELDS)

LEAD_FIELDS = ObjectType(
    "lead_fields", "/v1/leadFields", 20, builtin_fields.LEAD_FIELDS, paging=Paging.OFFSET, id_type="text",
    id_key="key", scopes=(*LEADS.scopes, "admin"),
)

NOTE_FIELDS = ObjectType(
    "note_fields", "/v1/noteFields", 20, builtin_fields.NOTE_FIELDS, paging=Paging.NONE, id_type="text",
    id_key="key", scopes=NOTES.scopes,
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

BUILT_IN: Catalogue = {
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
"""The object types that every project has."""

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
