"""Short ways to make sources and workflows."""

from __future__ import annotations

from typing import Any

from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.sources.model import id_of_slug
from pipedrive_orchestration.workflows import Workflow
from pipedrive_orchestration.workflows.model import WorkflowFile

INPUTS = [{"name": "email", "type": "email"}, {"name": "First name", "type": "string"}]
MAPPING = {"input.email": "emails", "input.first_name": "name"}


def source(slug: str = "people", **changes: Any) -> Source:
    """A source of persons with the properties that the helpers fill."""
    body = {
        "name": slug,
        "object_type": "persons",
        "properties": ["name", "emails", "score"],
        "pull_mode": "static",
        "slug": slug,
        "id": id_of_slug(slug),
        "created_at": "2026-01-01T00:00:00Z",
    }
    return Source.parse(body | changes)


def sync(source_slug: str = "people", **changes: Any) -> dict[str, Any]:
    return {"source": source_slug, "field_mapping": dict(MAPPING)} | changes


def body(**changes: Any) -> dict[str, Any]:
    return {"name": "Outreach", "inputs": INPUTS, "syncs": [sync()]} | changes


def workflow(slug: str = "outreach", **changes: Any) -> Workflow:
    return Workflow.of(slug, WorkflowFile.parse(body(**changes)))


def synced(slug: str = "outreach", auto_run: bool = True, **of_sync: Any) -> Workflow:
    """A workflow with one sync."""
    return workflow(slug, auto_run=auto_run, syncs=[sync(**of_sync)])
