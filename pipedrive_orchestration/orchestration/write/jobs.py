"""What the Launchpad can do with a write: plan it, apply a plan, take one back."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import dagster as dg

from pipedrive_orchestration.orchestration.config import job_of
from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext
from pipedrive_orchestration.orchestration.failures import foreseen
from pipedrive_orchestration.orchestration.write.asset import EXPECTED_ERRORS, apply_in, writes_of
from pipedrive_orchestration.orchestration.write.metadata import SHOWN_ROWS, metadata_of_plan
from pipedrive_orchestration.services.writes import Writes
from pipedrive_orchestration.sources import InvalidBodyError, Problem
from pipedrive_orchestration.writing.ledger import Plan
from pipedrive_orchestration.writing.model import Write

_SLUG = dg.Field(str, description="The write: its file's name without .yaml.")
_PLAN = dg.Field(dg.Noneable(str), is_required=False, description="The plan's id; the newest if not given.")
_EXAMPLE = {"write": "name-of-a-write"}

Do = Callable[[dg.OpExecutionContext, Writes, Write, UUID | None], dict[str, dg.MetadataValue]]
"""Does something with a write, and gives what the run's page shows."""


def build_write_jobs(project: ProjectContext = ALONE) -> list[dg.JobDefinition]:
    """The jobs of a project's writes."""
    slug, plan = {"write": _SLUG}, {"plan": _PLAN}
    refresh = dg.Field(
        bool,
        default_value=True,
        is_required=False,
        description="Import what has changed at Pipedrive before.",
    )
    above = dg.Field(
        bool, default_value=False, is_required=False, description="Apply a plan that is above its limits."
    )
    return [
        _job(
            project,
            "plan_write",
            slug | {"refresh": refresh},
            "Shows what the rows of a write would change. Changes nothing.",
            _plan,
        ),
        _job(
            project,
            "apply_write",
            slug | plan | {"above_limits": above},
            "Does what the newest plan of a write says, from where it was left.",
            _apply,
        ),
        _job(
            project,
            "undo_write",
            slug | plan,
            "Plans to take back the plan that was applied last; apply_write does it then.",
            _undo,
        ),
    ]


def _job(
    project: ProjectContext, name: str, schema: Mapping[str, dg.Field], description: str, do: Do
) -> dg.JobDefinition:
    @dg.op(
        name=project.names.own(f"{name}_by_slug"),
        config_schema=dict(schema),
        out=dg.Out(dg.Nothing),
        required_resource_keys={project.pipedrive_key, project.warehouse_key},
    )
    def op(context: dg.OpExecutionContext) -> None:
        with foreseen(*EXPECTED_ERRORS):
            writes = writes_of(context, project)
            write = writes.load().find(context.op_config["write"])
            plan_id = _id_of(context.op_config.get("plan"))
        context.add_output_metadata(do(context, writes, write, plan_id))

    return job_of(op, project.names.own(name), schema, description, _EXAMPLE)


def _id_of(text: Any) -> UUID | None:
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise InvalidBodyError(
            [Problem("plan", "invalid_id", f"`{text}` is not the id of a plan.")]
        ) from None


def _plan(
    context: dg.OpExecutionContext, writes: Writes, write: Write, _: UUID | None
) -> dict[str, dg.MetadataValue]:
    with foreseen(*EXPECTED_ERRORS):
        plan = writes.plan(write, refresh=context.op_config["refresh"])
        return _shown(writes, plan)


def _apply(
    context: dg.OpExecutionContext, writes: Writes, write: Write, plan_id: UUID | None
) -> dict[str, dg.MetadataValue]:
    with foreseen(*EXPECTED_ERRORS):
        plan = writes.find_plan(write, plan_id)
    above = context.op_config["above_limits"]
    outcome = apply_in(context, writes, write, plan, above_limits=above)
    return {**outcome, **_shown(writes, writes.find_plan(write, plan.plan_id))}


def _undo(
    _context: dg.OpExecutionContext, writes: Writes, write: Write, plan_id: UUID | None
) -> dict[str, dg.MetadataValue]:
    with foreseen(*EXPECTED_ERRORS):
        return _shown(writes, writes.undo(write, plan_id))


def _shown(writes: Writes, plan: Plan) -> dict[str, dg.MetadataValue]:
    return metadata_of_plan(plan, writes.rows(plan, SHOWN_ROWS))
