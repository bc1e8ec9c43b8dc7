"""A whole account: the data of a company that sells and maintains solar plants in ten countries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipedrive_orchestration.demo.generator.account import (
    Company,
    make_activity_types,
    make_currencies,
    make_filters,
    make_lead_labels,
    make_me,
    make_pipelines,
    make_users,
)
from pipedrive_orchestration.demo.generator.activities import Agenda, make_activities
from pipedrive_orchestration.demo.generator.contacts import make_organizations, make_persons
from pipedrive_orchestration.demo.generator.custom_fields import CUSTOM_FIELDS
from pipedrive_orchestration.demo.generator.custom_values import Linked, fill_pools
from pipedrive_orchestration.demo.generator.deals import Market, make_deals
from pipedrive_orchestration.demo.generator.edge_cases import (
    add_odd_activities,
    add_odd_contacts,
    add_odd_deals,
    add_odd_values,
    remove_update_times,
)
from pipedrive_orchestration.demo.generator.fields import note_fields
from pipedrive_orchestration.demo.generator.leads import make_leads
from pipedrive_orchestration.demo.generator.links import count_links
from pipedrive_orchestration.demo.generator.moments import Calendar
from pipedrive_orchestration.demo.generator.notes import Desk, make_notes
from pipedrive_orchestration.demo.generator.products import make_products
from pipedrive_orchestration.demo.generator.randomness import Record, ids_with_gaps, stream
from pipedrive_orchestration.demo.generator.schema import make_fields
from pipedrive_orchestration.demo.generator.world import build_world

VOLUMES = {
    "persons": 4_000,
    "organizations": 1_500,
    "deals": 3_000,
    "activities": 6_000,
    "leads": 800,
    "notes": 1_500,
}
"""Records at scale 1."""

_FEWEST = 40
"""An account with fewer records of a kind could not hold every edge case."""


@dataclass(slots=True)
class Business:
    """Everything an account holds, each record exactly as the API has it.

    v2 collections are in v2 shape with every key, also those that come only through ``include_fields``,
    and a complete ``custom_fields`` map; v1 collections are in v1 shape. Deleted and archived records are
    included. Field objects carry private keys, see `fields`; filters carry their ``conditions``.

    Compound values (addresses, money, lists) may be shared between records: replace them, never change
    them in place.
    """

    deals: dict[int, Record]
    persons: dict[int, Record]
    organizations: dict[int, Record]
    activities: dict[int, Record]
    products: dict[int, Record]
    pipelines: dict[int, Record]
    stages: dict[int, Record]
    users: dict[int, Record]
    notes: dict[int, Record]
    activity_types: dict[int, Record]
    currencies: dict[int, Record]
    filters: dict[int, Record]
    leads: dict[str, Record]
    lead_labels: dict[str, Record]
    deal_fields: list[Record]
    person_fields: list[Record]
    organization_fields: list[Record]
    product_fields: list[Record]
    activity_fields: list[Record]
    note_fields: list[Record]
    me: Record


def generate(seed: int, scale: float, now: datetime) -> Business:
    """Make an account; the same arguments always make the same one.

    Args:
        seed: decides every name, number and key.
        scale: multiplies persons, organizations, deals, activities, leads and notes (see `VOLUMES`).
        now: the instant up to which the account has existed, for 24 months; fractions of its second are
            dropped.

    Raises:
        ValueError: ``scale`` is not positive, or ``now`` has no time zone.
    """
    if not scale > 0:
        raise ValueError(f"scale must be greater than 0, not {scale}")
    calendar, world = Calendar.until(now), build_world(seed)
    company = Company(seed, calendar, world, make_users(seed, world, calendar))
    activity_types, lead_labels = make_activity_types(calendar), make_lead_labels(seed, calendar)
    pipelines, stages, funnels = make_pipelines(calendar)
    fields = make_fields(seed, calendar, activity_types)
    ids, purged = _ids(seed, scale)
    linked = Linked(company.owners, ids["organizations"], ids["persons"])
    custom = {name: fill_pools(company, name, fields[name], linked) for name in CUSTOM_FIELDS}

    organizations, homes = make_organizations(company, ids["organizations"], custom["organizations"])
    persons = make_persons(company, ids["persons"], organizations, homes, custom["persons"])
    add_odd_contacts(persons, organizations)
    market = Market(persons, organizations, homes)
    deals = make_deals(company, ids["deals"], market, funnels, custom["deals"])
    leads = make_leads(company, len(ids["leads"]), market, list(lead_labels), custom["deals"])
    activities = make_activities(company, ids["activities"], Agenda(deals, leads, persons))
    notes = make_notes(company, ids["notes"], Desk(deals, leads, persons, organizations))
    add_odd_values(custom, {"deals": deals, "persons": persons, "organizations": organizations})
    add_odd_deals(calendar, deals, purged["persons"])
    add_odd_activities(activities)
    remove_update_times(deals, persons, organizations, activities)
    count_links(deals, persons, organizations, leads, activities, notes)
    return Business(
        deals=deals,
        persons=persons,
        organizations=organizations,
        activities=activities,
        products=make_products(company, custom["products"]),
        pipelines=pipelines,
        stages=stages,
        users=company.users,
        notes=notes,
        activity_types=activity_types,
        currencies=make_currencies(),
        filters=make_filters(company.owners[0], calendar, fields),
        leads=leads,
        lead_labels=lead_labels,
        deal_fields=fields["deals"],
        person_fields=fields["persons"],
        organization_fields=fields["organizations"],
        product_fields=fields["products"],
        activity_fields=fields["activities"],
        note_fields=note_fields(),
        me=make_me(company.users),
    )


def _ids(seed: int, scale: float) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Ids to give out and ids already purged, by object type."""
    given: dict[str, list[int]] = {}
    purged: dict[str, list[int]] = {}
    for name, volume in VOLUMES.items():
        amount = max(_FEWEST, round(volume * scale))
        given[name], purged[name] = ids_with_gaps(stream(seed, f"{name} ids"), amount)
    return given, purged
