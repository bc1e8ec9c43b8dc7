"""The data of the demo account, made from a seed: a company that sells solar plants in ten countries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pipedrive_orchestration.demo.generator import (
    activities,
    company,
    contacts,
    deals,
    documents,
    products,
    projects,
)
from pipedrive_orchestration.demo.generator.business import Business
from pipedrive_orchestration.demo.generator.edge_cases import add_oddities, plant_defects
from pipedrive_orchestration.demo.generator.links import count_links
from pipedrive_orchestration.demo.records import Records
from pipedrive_orchestration.garbage_collection import no_garbage_collection

__all__ = ["GENERATORS", "Business", "generate"]

GENERATORS: dict[str, Callable[[Business], Records]] = {
    "users": company.users,
    "currencies": company.currencies,
    "activity_types": company.activity_types,
    "lead_labels": company.lead_labels,
    "pipelines": company.pipelines,
    "stages": company.stages,
    "filters": company.filters,
    "products": products.products,
    "organizations": contacts.organizations,
    "persons": contacts.persons,
    "deals": deals.deals,
    "leads": deals.leads,
    "activities": activities.activities,
    "notes": documents.notes,
    "boards": projects.boards,
    "phases": projects.phases,
    "project_templates": projects.project_templates,
    "projects": projects.projects,
    "tasks": projects.tasks,
    "roles": company.roles,
    "permission_sets": company.permission_sets,
    "legacy_teams": company.legacy_teams,
    "webhooks": company.webhooks,
    "lead_sources": company.lead_sources,
    "user_connections": company.user_connections,
    "goals": company.goals,
    "call_logs": activities.call_logs,
    "files": documents.files,
    "mail_threads": documents.mail_threads,
}
"""What makes the records of each collection out of those before it."""


def generate(seed: int, scale: float, now: datetime) -> Business:
    """Make an account; the same arguments always make the same one.

    Args:
        seed: decides every name, number and key.
        scale: multiplies persons, organizations, deals, activities, leads, notes and files.
        now: the instant up to which the account has existed, for 24 months; fractions of its second are
            dropped.

    Raises:
        ValueError: ``scale`` is not positive, or ``now`` has no time zone.
    """
    if not scale > 0:
        raise ValueError(f"scale must be greater than 0, not {scale}")
    with no_garbage_collection():
        business = Business(seed, scale, now)
        for name, make in GENERATORS.items():
            business.collections[name] = make(business)
        add_oddities(business)
        plant_defects(business)
        count_links(business)
        projects.link_projects(business)
    return business
