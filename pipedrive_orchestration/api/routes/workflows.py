"""Calls about workflows: their inputs, and the sync of a source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from starlette.responses import Response

from pipedrive_orchestration.api.dependencies import (
    ApiContext,
    CodeLocation,
    Context,
    FoundSource,
    JsonBody,
    NoQuery,
    needs,
)
from pipedrive_orchestration.api.errors import ApiError
from pipedrive_orchestration.api.keys import Scope
from pipedrive_orchestration.api.middleware import API_PATH
from pipedrive_orchestration.api.openapi import (
    AFTER_INPUTS,
    AFTER_WORKFLOWS,
    SYNC_EXAMPLE,
    answers,
    body_of,
    source_links,
)
from pipedrive_orchestration.api.schemas import (
    InputItem,
    InputList,
    SheetItem,
    Success,
    SyncBody,
    SyncedRows,
    WorkflowItem,
    answer,
    parsed,
)
from pipedrive_orchestration.services.errors import StatusConflictError
from pipedrive_orchestration.services.web_server import ReloadError
from pipedrive_orchestration.warehouse.publish import KeptPublished, Publisher
from pipedrive_orchestration.workflows import Workflow, WorkflowStore, parse_sync
from pipedrive_orchestration.workflows.sync import run_sync

router = APIRouter(prefix=API_PATH, tags=["workflows"])


def _store(context: ApiContext) -> WorkflowStore:
    return WorkflowStore(context.deployment.store.project)


def _workflow(context: ApiContext, workflow_id: UUID) -> Workflow:
    return _store(context).load().with_id(workflow_id)


def _found(
    workflow_id: Annotated[UUID, Path(description="The workflow's id.")],
    sheet_id: Annotated[UUID, Path(description="The sheet's id; that of the main sheet is the workflow's.")],
    context: Context,
) -> Workflow:
    workflow = _workflow(context, workflow_id)
    if sheet_id != workflow.id:
        raise ApiError(
            404, f"The workflow {workflow_id} has no sheet {sheet_id}; its main sheet is {workflow_id}."
        )
    return workflow


FoundWorkflow = Annotated[Workflow, Depends(_found)]
"""The workflow that the path names, with its main sheet."""


@router.get(
    "/workflows",
    dependencies=[needs(Scope.WORKFLOWS_READ)],
    response_model=Success[list[WorkflowItem]],
    responses=answers(links=AFTER_WORKFLOWS),
    summary="List all workflows",
)
def list_workflows(context: Context, _: NoQuery) -> Response:
    """By slug. Files that are added by hand are among them."""
    return answer([_item(workflow) for workflow in _store(context).load().workflows])


def _item(workflow: Workflow) -> WorkflowItem:
    return WorkflowItem(
        workflow_id=workflow.id,
        slug=workflow.slug,
        name=workflow.name,
        auto_run=workflow.auto_run,
        sheets=[SheetItem(sheet_id=workflow.id, name=workflow.name)],
        sources=[sync.source for sync in workflow.syncs],
    )


@router.get(
    "/workflows/{workflow_id}/sheets/{sheet_id}/inputs",
    dependencies=[needs(Scope.WORKFLOWS_READ)],
    response_model=Success[InputList],
    responses=answers(404, links=AFTER_INPUTS),
    summary="List the inputs of a workflow",
)
def list_inputs(found: FoundWorkflow, _: NoQuery) -> Response:
    """What a field mapping can fill."""
    inputs = [InputItem(name=one.name, type=one.type, reference=one.braced_reference) for one in found.inputs]
    return answer(InputList(inputs=inputs))


@router.post(
    "/sources/{source_id:source}/sync",
    dependencies=[needs(Scope.SOURCES_WRITE)],
    response_model=Success[SyncedRows],
    responses=answers(404, 409, 413, links=source_links("/data/source_instance_id")),
    openapi_extra=body_of(SyncBody, persons=SYNC_EXAMPLE),
    summary="Sync a source to a workflow",
)
def sync_source(
    context: Context, reloads: CodeLocation, found: FoundSource, _: NoQuery, content: JsonBody
) -> Response:
    """Adds the sync to the workflow's file, or replaces it, and syncs the rows that are there.

    Doing it again changes nothing. What later imports bring is synced by Dagster.
    """
    body = parsed(SyncBody, content)
    source = found.source
    if found.deleted:
        raise StatusConflictError(f"{source.slug} was deleted.")
    workflow = _workflow(context, body.workflow_id)
    wanted = body.model_dump(exclude={"workflow_id"}, exclude_unset=True) | {"source": source.slug}
    sync = parse_sync(wanted, workflow, context.deployment.store.load().sources)
    with reloads.change():
        saved = _store(context).save_sync(workflow.slug, sync)
        reloads.request()
    report = run_sync(context.warehouse, saved, source)
    told = report.as_dict() | {"workflow_id": saved.id, "source_instance_id": source.id}
    warnings = [*_unshown(context), *_publish(context)]
    return answer(told | ({"warning": " ".join(warnings)} if warnings else {}))


def _unshown(context: ApiContext) -> Iterator[str]:
    try:
        context.deployment.check_dagster()
    except ReloadError as error:
        yield f"{error} What later imports bring is synced once it has."


def _publish(context: ApiContext) -> Iterator[str]:
    published = KeptPublished(Publisher.from_settings(context.settings))
    published.at_end()
    if published.problem:
        yield published.problem
