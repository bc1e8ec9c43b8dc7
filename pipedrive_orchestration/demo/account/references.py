"""What a write may point at: records that exist and are not deleted, and labels."""

from __future__ import annotations

from collections.abc import Iterator

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.records import Record

TARGETS = {
    "owner_id": "users",
    "user_id": "users",
    "person_id": "persons",
    "org_id": "organizations",
    "organization_id": "organizations",
    "deal_id": "deals",
    "lead_id": "leads",
    "pipeline_id": "pipelines",
    "stage_id": "stages",
    "project_id": "projects",
    "task_id": "tasks",
    "parent_task_id": "tasks",
    "board_id": "boards",
    "phase_id": "phases",
    "template_id": "project_templates",
    "assignee_id": "users",
    "manager_id": "users",
    "parent_role_id": "roles",
    "activity_id": "activities",
    "product_id": "products",
    "rel_owner_org_id": "organizations",
    "rel_linked_org_id": "organizations",
    "deal_ids": "deals",
    "person_ids": "persons",
    "org_ids": "organizations",
    "assignee_ids": "users",
    "users": "users",
}
"""Properties that point at a record, or at several, and at which collection."""


def reference_problems(account: Account, changes: Record) -> Iterator[str]:
    """What is wrong with the links of a write, one sentence per key."""
    for prop, name in TARGETS.items():
        target = changes.get(prop)
        for one in target if isinstance(target, list) else [target]:
            if one is not None and not is_reachable(account, name, one):
                yield f"{prop}: There is no record {one} among {name}."


def is_reachable(account: Account, name: str, record_id: object) -> bool:
    """Whether the record is there and can be linked to."""
    record = account[name].get(record_id)
    return record is not None and not account[name].schema.is_deleted(record)


def label_problems(account: Account, name: str, changes: Record) -> Iterator[str]:
    """What is wrong with the labels of a write."""
    known = account.fields[name].option_labels("label_ids")
    for label_id in changes.get("label_ids") or ():
        if label_id not in known:
            yield f"label_ids: There is no label {label_id}."
