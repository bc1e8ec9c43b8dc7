"""The data of the demo account, made from a seed: a company that sells solar plants in ten countries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pipedrive_orchestration.demo.generator.activities import activities
from pipedrive_orchestration.demo.generator.administration import (
    lead_sources,
    legacy_teams,
    permission_sets,
    roles,
    user_connections,
    webhooks,
)
from pipedrive_orchestration.demo.generator.business import Business
from pipedrive_orchestration.demo.generator.company import (
    activity_types,
    currencies,
    filters,
    lead_labels,
    pipelines,
    stages,
    users,
)
from pipedrive_orchestration.demo.generator.contacts import organizations, persons
from pipedrive_orchestration.demo.generator.deals import deals
from pipedrive_orchestration.demo.generator.edge_cases import add_oddities, plant_defects
from pipedrive_orchestration.demo.generator.files import files
from pipedrive_orchestration.demo.generator.leads import leads
from pipedrive_orchestration.demo.generator.links import count_links
from pipedrive_orchestration.demo.generator.mail import mail_threads
from pipedrive_orchestration.demo.generator.notes import notes
from pipedrive_orchestration.demo.generator.products import products
from pipedrive_orchestration.demo.generator.projects import (
    boards,
    link_projects,
    phases,
    project_templates,
    projects,
    tasks,
)
from pipedrive_orchestration.demo.generator.sales import call_logs, goals
from pipedrive_orchestration.demo.records import Records

__all__ = ["GENERATORS", "Business", "generate"]

GENERATORS: dict[str, Callable[[Business], Records]] = {
    "users": users,
    "currencies": currencies,
    "activity_types": activity_types,
    "lead_labels": lead_labels,
    "pipelines": pipelines,
    "stages": stages,
    "filters": filters,
    "products": products,
    "organizations": organizations,
    "persons": persons,
    "deals": deals,
    "leads": leads,
    "activities": activities,
    "notes": notes,
    "boards": boards,
    "phases": phases,
    "project_templates": project_templates,
    "projects": projects,
    "tasks": tasks,
    "roles": roles,
    "permission_sets": permission_sets,
    "legacy_teams": legacy_teams,
    "webhooks": webhooks,
    "lead_sources": lead_sources,
    "user_connections": user_connections,
    "goals": goals,
    "call_logs": call_logs,
    "files": files,
    "mail_threads": mail_threads,
}
"""What makes the records of each collection out of those before it."""


def generate(seed: int, scale: float, now: datetime) -> Business:
    """Make an account; the same arguments always make the same one.

    Args:
        seed: decides every name, number and key.
        scale: multiplies persons, organizations, deals, activities, leads and notes.
        now: the instant up to which the account has existed, for 24 months; fractions of its second are
            dropped.

    Raises:
        ValueError: ``scale`` is not positive, or ``now`` has no time zone.
    """
    if not scale > 0:
        raise ValueError(f"scale must be greater than 0, not {scale}")
    business = Business(seed, scale, now)
    for name, make in GENERATORS.items():
        business.collections[name] = make(business)
    add_oddities(business)
    plant_defects(business)
    count_links(business)
    link_projects(business)
    return business
