"""The links from sources to workflows, as the project's files have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipedrive_orchestration.cli.errors import BAD_INPUT, CommandError
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.workflows import Workflow, WorkflowStore, parse_sync


class NoSyncError(CommandError):
    """There is no sync to run; the message says how to make one."""

    exit_code = BAD_INPUT


def workflows_of(store: WorkflowStore, source: Source) -> list[Workflow]:
    """The workflows that a source is synced to.

    Raises:
        NoSyncError: there are none.
    """
    workflows = store.load().workflows
    linked = [workflow for workflow in workflows if workflow.sync_of(source.slug)]
    if not linked:
        known = ", ".join(workflow.slug for workflow in workflows) or "none"
        raise NoSyncError(
            f"{source.slug} is not synced to any workflow. Name one, with --map input.<name>=<property> for "
            f"its inputs. Workflows: {known}."
        )
    return linked


def linked_workflow(
    store: WorkflowStore,
    workflow: Workflow,
    source: Source,
    sources: Sequence[Source],
    changes: Mapping[str, Any],
) -> Workflow:
    """A workflow with its sync of a source, changed as wanted and written to the workflow's file.

    Args:
        store: the workflow files.
        workflow: which of them.
        source: what is synced to it.
        sources: all that the project has.
        changes: keys of the sync that are to be different; a new one needs ``field_mapping``.

    Raises:
        NoSyncError: there is no sync, and no mapping to make one.
        InvalidBodyError: the mapping names inputs or properties that are not there; names all of them.
        OSError: the file cannot be written.
    """
    existing = workflow.sync_of(source.slug)
    if existing is None and "field_mapping" not in changes:
        inputs = ", ".join(each.reference for each in workflow.inputs)
        raise NoSyncError(
            f"{source.slug} is not synced to {workflow.slug} yet: add --map <input>=<property>. "
            f"Inputs: {inputs}."
        )
    if not changes:
        return workflow
    before = existing.model_dump(mode="json") if existing else {}
    return store.save_sync(
        workflow.slug, parse_sync({**before, **changes, "source": source.slug}, workflow, sources)
    )
