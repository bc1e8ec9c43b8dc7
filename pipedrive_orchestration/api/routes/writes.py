"""Calls about writes: their plans, the application of a plan, and its undoing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from starlette.responses import Response

from pipedrive_orchestration.api.dependencies import (
    ApiContext,
    Context,
    JsonBody,
    NoQuery,
    needs,
    needs_connection,
)
from pipedrive_orchestration.api.keys import Scope
from pipedrive_orchestration.api.middleware import API_PATH
from pipedrive_orchestration.api.openapi import answers, body_of
from pipedrive_orchestration.api.schemas import (
    AppliedItem,
    ApplyBody,
    PlanBody,
    PlanItem,
    Success,
    UndoBody,
    WriteItem,
    answer,
    parsed,
)
from pipedrive_orchestration.services.writes import Writes
from pipedrive_orchestration.writing.ledger import Plan
from pipedrive_orchestration.writing.model import Write
from pipedrive_orchestration.writing.permission import require_permission
from pipedrive_orchestration.writing.report import plan_as_dict

router = APIRouter(prefix=API_PATH, tags=["writes"], dependencies=[needs(Scope.WRITES_WRITE)])

SHOWN_ROWS = 1000
"""Rows of a plan that an answer holds."""


def _writes(context: ApiContext) -> Writes:
    return Writes.from_settings(context.settings, context.deployment.store, context.warehouse)


def _found(write_id: Annotated[UUID, Path(description="The write's id.")], context: Context) -> Write:
    return _writes(context).load().with_id(write_id)


def _answer_with(writes: Writes, plan: Plan) -> Response:
    return answer(plan_as_dict(plan, writes.rows(plan, SHOWN_ROWS)))


def _answer_of_application(plan: Plan, counts: Mapping[str, int], note: str | None = None) -> Response:
    return answer({"plan": plan_as_dict(plan), "counts": dict(counts), "note": note})


FoundWrite = Annotated[Write, Depends(_found)]
"""The write that the path names."""


@router.get(
    "/writes",
    response_model=Success[list[WriteItem]],
    responses=answers(),
    summary="List all writes",
)
def list_writes(context: Context, _: NoQuery) -> Response:
    """By slug."""
    return answer(
        [
            WriteItem(
                write_id=one.id,
                slug=one.slug,
                name=one.name,
                object_type=one.object_type,
                operation=one.operation,
                apply=one.apply,
                schedule=one.schedule,
            )
            for one in _writes(context).load().writes
        ]
    )


@router.get(
    "/writes/{write_id}/plan",
    response_model=Success[PlanItem],
    responses=answers(404, 409),
    summary="Show the newest plan of a write",
)
def show_plan(context: Context, found: FoundWrite, _: NoQuery) -> Response:
    """With what has become of its changes, up to a thousand rows."""
    writes = _writes(context)
    plan = writes.find_plan(found)
    return _answer_with(writes, plan)


@router.post(
    "/writes/{write_id}/plan",
    dependencies=[needs_connection],
    response_model=Success[PlanItem],
    responses=answers(402, 404, 413, 424, 502),
    openapi_extra=body_of(PlanBody, plan={"refresh": True}),
    summary="Plan a write",
)
def make_plan(context: Context, found: FoundWrite, _: NoQuery, content: JsonBody) -> Response:
    """Finds out what its rows would change. Changes nothing at Pipedrive."""
    body = parsed(PlanBody, content)
    writes = _writes(context)
    plan = writes.plan(found, refresh=body.refresh)
    return _answer_with(writes, plan)


@router.get(
    "/writes/{write_id}/apply",
    response_model=Success[AppliedItem],
    responses=answers(404, 409),
    summary="Show how far the application of a write's newest plan is",
)
def show_application(context: Context, found: FoundWrite, _: NoQuery) -> Response:
    """Changes by state: done, moved, refused, uncertain, sent, planned."""
    writes = _writes(context)
    plan = writes.find_plan(found)
    return _answer_of_application(plan, writes.counts(plan))


@router.post(
    "/writes/{write_id}/apply",
    dependencies=[needs_connection],
    response_model=Success[AppliedItem],
    responses=answers(402, 404, 409, 413, 424, 502),
    openapi_extra=body_of(ApplyBody, newest={"above_limits": False}),
    summary="Apply a plan of a write",
)
def apply_plan(context: Context, found: FoundWrite, _: NoQuery, content: JsonBody) -> Response:
    """Does what the plan says, once, from where it was left; the newest plan if none is named.

    The answer comes when it is done or has stopped.
    """
    body = parsed(ApplyBody, content)
    writes = _writes(context)
    require_permission(allowed=writes.allowed)
    report = writes.apply(found, body.plan_id, above_limits=body.above_limits)
    return _answer_of_application(report.plan, report.counts, report.note)


@router.get(
    "/writes/{write_id}/undo",
    response_model=Success[list[PlanItem]],
    responses=answers(404),
    summary="List the plans of a write that can be taken back",
)
def list_undoable(context: Context, found: FoundWrite, _: NoQuery) -> Response:
    """Newest first."""
    plans = _writes(context).plans(found)
    return answer([plan_as_dict(plan) for plan in plans if plan.applied_at and plan.undo_of is None])


@router.post(
    "/writes/{write_id}/undo",
    dependencies=[needs_connection],
    response_model=Success[PlanItem],
    responses=answers(402, 404, 409, 413, 424, 502),
    openapi_extra=body_of(UndoBody, newest={}),
    summary="Plan to take a plan of a write back",
)
def plan_undo(context: Context, found: FoundWrite, _: NoQuery, content: JsonBody) -> Response:
    """A new plan, to be applied like any other; of the plan that was applied last if none is named."""
    body = parsed(UndoBody, content)
    writes = _writes(context)
    plan = writes.undo(found, body.plan_id)
    return _answer_with(writes, plan)
