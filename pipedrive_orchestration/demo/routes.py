"""Every route of the demo account with its price.

Prices of reads are the catalogue's; the others are the table below (docs/pipedrive-api.md#prices).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipedrive_orchestration.demo.bodies import Body
from pipedrive_orchestration.demo.call import Answer, Call
from pipedrive_orchestration.demo.parameters import Query
from pipedrive_orchestration.demo.v1 import (
    company,
    company_writes,
    lead_fields,
    lead_writes,
    leads,
    merges,
    note_writes,
    notes,
    recents,
)
from pipedrive_orchestration.demo.v2 import (
    bodies,
    field_bodies,
    field_lists,
    field_writes,
    lists,
    queries,
    record_writes,
    search,
)
from pipedrive_orchestration.pipedrive import object_types
from pipedrive_orchestration.pipedrive.object_types import CATALOGUE

FIELD_PATHS = {
    "deals": "/dealFields",
    "persons": "/personFields",
    "organizations": "/organizationFields",
    "products": "/productFields",
    "activities": "/activityFields",
}

BodyModels = tuple[type[Body], type[Body]]
FieldModels = tuple[type[queries.FieldsQuery], type[queries.FieldQuery]]

V2_GET, V2_WRITE, V2_DELETE, V2_SEARCH = 1, 5, 3, 20
V1_LIST, V1_WRITE, V1_DELETE, V1_BULK_DELETE, V1_MERGE = 20, 10, 6, 10, 40
"""Tokens of whatever the catalogue, which is about reading records, does not price.

See docs/pipedrive-api.md#prices.
"""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API.

    Attributes:
        method: HTTP method.
        path: path template as the OpenAPI file has it, such as ``/deals/{id}``.
        version: ``v1`` or ``v2``: which file that is.
        tokens: price of a request.
        endpoint: what answers it.
    """

    method: str
    path: str
    version: str
    tokens: int
    endpoint: Callable[[Call], Answer]


def _reads(
    path: str,
    name: str,
    list_endpoint: Callable[[Call], Answer],
    one_endpoint: Callable[[Call], Answer] | None,
) -> Iterator[Route]:
    object_type = CATALOGUE[name]
    yield Route("GET", path, object_type.version, object_type.list_cost, list_endpoint)
    if one_endpoint is not None and object_type.get_cost is not None:
        yield Route("GET", f"{path}/{{id}}", object_type.version, object_type.get_cost, one_endpoint)


def _v2_records() -> Iterator[Route]:
    deals = CATALOGUE["deals"]
    archived = lists.list_of("deals", queries.ArchivedDealsQuery, archived=True)
    yield Route("GET", "/deals/archived", "v2", deals.archived_cost, archived)
    for name, model in (("persons", search.PersonSearch), ("organizations", search.OrganizationSearch)):
        yield Route("GET", f"/{name}/search", "v2", V2_SEARCH, search.search(name, model))
    for name, list_model, one_model in (
        ("deals", queries.DealsQuery, queries.DealQuery),
        ("persons", queries.PersonsQuery, queries.PersonQuery),
        ("organizations", queries.OrganizationsQuery, queries.OrganizationQuery),
        ("activities", queries.ActivitiesQuery, queries.ActivityQuery),
        ("products", queries.ProductsQuery, Query),
        ("pipelines", queries.SortedQuery, Query),
        ("stages", queries.StagesQuery, Query),
    ):
        yield from _reads(f"/{name}", name, lists.list_of(name, list_model), lists.one_of(name, one_model))


def _v2_fields() -> Iterator[Route]:
    full: FieldModels = (queries.FullFieldsQuery, queries.FullFieldQuery)
    visibility: FieldModels = (queries.VisibilityFieldsQuery, queries.VisibilityFieldQuery)
    for name, (list_model, one_model) in {
        "deals": full,
        "persons": full,
        "organizations": full,
        "products": visibility,
        "activities": visibility,
    }.items():
        path = FIELD_PATHS[name]
        cost = CATALOGUE[name].fields_cost
        yield Route("GET", path, "v2", cost, field_lists.list_of(name, list_model))
        yield Route("GET", f"{path}/{{field_code}}", "v2", V2_GET, field_lists.one_of(name, one_model))


def _v1_reads() -> Iterator[Route]:
    lead_type = CATALOGUE["leads"]
    yield Route("GET", "/users/me", "v1", object_types.USERS_ME_COST, company.me)
    yield from _reads("/users", "users", company.list_users, company.one_user)
    yield Route("GET", "/leads/archived", "v1", lead_type.archived_cost, leads.list_archived_leads)
    yield from _reads("/leads", "leads", leads.list_leads, leads.one_lead)
    yield from _reads("/leadLabels", "lead_labels", leads.list_lead_labels, None)
    yield Route("GET", "/leadFields", "v1", V1_LIST, lead_fields.list_lead_fields)
    yield from _reads("/notes", "notes", notes.list_notes, notes.one_note)
    yield Route("GET", "/noteFields", "v1", V1_LIST, notes.list_note_fields)
    yield from _reads("/activityTypes", "activity_types", company.list_activity_types, None)
    yield from _reads("/currencies", "currencies", company.list_currencies, None)
    yield from _reads("/filters", "filters", company.list_filters, company.one_filter)
    yield Route("GET", "/recents", "v1", object_types.RECENTS_COST, recents.list_recents)


def _v2_writes() -> Iterator[Route]:
    models: dict[str, BodyModels] = {
        "deals": (bodies.NewDeal, bodies.Deal),
        "persons": (bodies.NewPerson, bodies.Person),
        "organizations": (bodies.NewOrganization, bodies.Organization),
        "activities": (bodies.Activity, bodies.Activity),
        "products": (bodies.NewProduct, bodies.Product),
        "pipelines": (bodies.NewPipeline, bodies.Pipeline),
        "stages": (bodies.NewStage, bodies.Stage),
    }
    for name, (new, changed) in models.items():
        status = 201 if name == "products" else 200
        yield Route("POST", f"/{name}", "v2", V2_WRITE, record_writes.create(name, new, status))
        yield Route("PATCH", f"/{name}/{{id}}", "v2", V2_WRITE, record_writes.update(name, changed))
        yield Route("DELETE", f"/{name}/{{id}}", "v2", V2_DELETE, record_writes.delete(name))


def _v2_field_writes() -> Iterator[Route]:
    models: dict[str, BodyModels] = {
        "deals": (field_bodies.NewFieldOfDeal, field_bodies.FieldOfDeal),
        "persons": (field_bodies.NewFieldOfPerson, field_bodies.FieldOfPerson),
        "organizations": (field_bodies.NewFieldOfPerson, field_bodies.FieldOfPerson),
        "products": (field_bodies.NewFieldOfProduct, field_bodies.FieldOfProduct),
    }
    for name, (new, changed) in models.items():
        path, options = FIELD_PATHS[name], f"{FIELD_PATHS[name]}/{{field_code}}/options"
        yield Route("POST", path, "v2", V2_WRITE, field_writes.create(name, new))
        yield Route("PATCH", f"{path}/{{field_code}}", "v2", V2_WRITE, field_writes.update(name, changed))
        yield Route("DELETE", f"{path}/{{field_code}}", "v2", V2_DELETE, field_writes.delete(name))
        yield Route("POST", options, "v2", V2_WRITE, field_writes.add_options(name))
        yield Route("PATCH", options, "v2", V2_WRITE, field_writes.rename_options(name))
        yield Route("DELETE", options, "v2", V2_DELETE, field_writes.delete_options(name))


def _v1_writes() -> Iterator[Route]:
    for method, path, tokens, endpoint in (
        ("POST", "/leads", V1_WRITE, lead_writes.create_lead),
        ("PATCH", "/leads/{id}", V1_WRITE, lead_writes.update_lead),
        ("DELETE", "/leads/{id}", V1_DELETE, lead_writes.delete_lead),
        ("POST", "/leadLabels", V1_WRITE, lead_writes.create_lead_label),
        ("PATCH", "/leadLabels/{id}", V1_WRITE, lead_writes.update_lead_label),
        ("DELETE", "/leadLabels/{id}", V1_DELETE, lead_writes.delete_lead_label),
        ("POST", "/notes", V1_WRITE, note_writes.create_note),
        ("PUT", "/notes/{id}", V1_WRITE, note_writes.update_note),
        ("DELETE", "/notes/{id}", V1_DELETE, note_writes.delete_note),
        ("POST", "/activityTypes", V1_WRITE, company_writes.create_activity_type),
        ("PUT", "/activityTypes/{id}", V1_WRITE, company_writes.update_activity_type),
        ("DELETE", "/activityTypes/{id}", V1_DELETE, company_writes.delete_activity_type),
        ("POST", "/filters", V1_WRITE, company_writes.create_filter),
        ("PUT", "/filters/{id}", V1_WRITE, company_writes.update_filter),
        ("DELETE", "/filters/{id}", V1_DELETE, company_writes.delete_filter),
        ("DELETE", "/filters", V1_BULK_DELETE, company_writes.delete_filters),
    ):
        yield Route(method, path, "v1", tokens, endpoint)
    for name in ("deals", "persons", "organizations"):
        yield Route("PUT", f"/{name}/{{id}}/merge", "v1", V1_MERGE, merges.merge(name))


ROUTES: tuple[Route, ...] = (
    *_v2_records(),
    *_v2_fields(),
    *_v1_reads(),
    *_v2_writes(),
    *_v2_field_writes(),
    *_v1_writes(),
)
"""Everything the account answers, more specific paths first."""


def _retired() -> Iterator[tuple[str, str]]:
    for name in ("activities", "deals", "organizations", "persons", "products", "pipelines", "stages"):
        yield from ((method, f"/{name}") for method in ("GET", "POST"))
        yield from ((method, f"/{name}/{{id}}") for method in ("GET", "PUT", "DELETE"))
    for name in ("activities", "deals", "organizations", "persons", "stages", "activityTypes"):
        yield "DELETE", f"/{name}"
    for name in ("activities", "deals", "organizations", "persons"):
        yield "GET", f"/{name}/collection"
    for name in ("deals", "organizations", "persons", "products"):
        yield "GET", f"/{name}/search"
    for name in (
        "deals/{id}/activities",
        "deals/{id}/persons",
        "persons/{id}/activities",
        "persons/{id}/deals",
    ):
        yield "GET", f"/{name}"
    for name in ("activities", "deals", "persons"):
        yield "GET", f"/organizations/{{id}}/{name}"
    yield from ((method, "/deals/{id}/products") for method in ("GET", "POST"))
    yield from ((method, "/deals/{id}/products/{attachment_id}") for method in ("PUT", "DELETE"))
    yield from (("GET", path) for path in ("/itemSearch", "/itemSearch/field"))


RETIRED: tuple[tuple[str, str], ...] = tuple(_retired())
"""The v1 operations that Pipedrive has taken away (docs/pipedrive-api.md#addresses-and-versions)."""
