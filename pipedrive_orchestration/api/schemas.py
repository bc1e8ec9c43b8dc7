"""Shapes of answers and bodies, as they are sent and as the OpenAPI page documents them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, ValidationError
from starlette.responses import Response

from pipedrive_orchestration.importing.preview import MAX_ROWS as MAX_PREVIEW_ROWS
from pipedrive_orchestration.services.lifecycle import Switch
from pipedrive_orchestration.services.status import Status
from pipedrive_orchestration.sources import InvalidBodyError
from pipedrive_orchestration.sources.model import SLUG_PATTERN, PropertyOption
from pipedrive_orchestration.sources.validation import problems_of
from pipedrive_orchestration.workflows import SyncRules
from pipedrive_orchestration.workflows.inputs import ColumnType

Data = TypeVar("Data")


class Success(BaseModel, Generic[Data]):
    """A call that did what it should."""

    status: int = Field(description="The HTTP status.", ge=200, le=201, examples=[200])
    data: Data


class Failure(BaseModel):
    """A call that did not, for one reason."""

    model_config = ConfigDict(extra="forbid")

    status: int = Field(description="The HTTP status.", ge=400, le=599)
    error: str = Field(description="Its name.")
    message: str = Field(description="What happened and what to do, for people.")
    hint: str | None = Field(None, description="What to do, where the message is always the same.")


class FieldProblem(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(description='Where, such as filters.conditions[0].variable; "" is the whole body.')
    code: str = Field(description="What, for programs.")
    message: str = Field(description="What, for people.")


class Invalid(Failure):
    """A request of which something is wrong: everything at once."""

    errors: list[FieldProblem] = Field(min_length=1)


class Created(BaseModel):
    """A source that has been created."""

    source_instance_id: UUID = Field(description="The source's id, by which every other call names it.")
    name: str = Field(examples=["Open deals"])
    created_at: datetime = Field(examples=["2026-11-21T12:00:00Z"])
    warning: str | None = Field(None, description="When the import will start if it has not started.")


class Held(Failure):
    """There are not enough tokens. Where a source was created all the same, ``data`` holds its id."""

    data: Created | None = None


class HoldItem(BaseModel):
    """Why the first import of a source waits."""

    estimated_tokens: int | None = Field(description="What it costs at most; null if unknown.", ge=0)
    budget: int = Field(description="Tokens that were there to pay for it.", ge=0)
    until: datetime | None = Field(description="When it starts by itself; null if only `active` starts it.")


class SourceItem(BaseModel):
    """A source and what has become of it."""

    source_instance_id: UUID
    slug: str = Field(
        description="Names its file, asset, table and schedule.",
        pattern=SLUG_PATTERN,
        examples=["open_deals"],
    )
    name: str = Field(examples=["Open deals"])
    object_type: str
    pull_mode: Literal["static", "active"]
    schedule: str | None = Field(description="Cron, UTC; null if static.", examples=["*/30 * * * *"])
    expiration_date: date | None
    created_at: datetime
    status: Status
    is_importing: bool = Field(description="Whether an import is under way or waits for its turn.")
    next_tick: datetime | None = Field(description="When the schedule fires next; null if it does not.")
    row_count: int = Field(description="Rows that `data` shows.", ge=0)
    removed_count: int = Field(
        description="Rows of records that are gone at Pipedrive or left the filter.", ge=0
    )
    quarantined_count: int = Field(
        description="Values that did not fit their type and are set aside in `import_ledger.quarantine`.",
        ge=0,
    )
    watermark: datetime | None = Field(description="Up to when changes are loaded.")
    skipped: str | None = Field(
        description="Why the last import was skipped, where the collection is closed to the account or its "
        "user; null if it was not."
    )
    hold: HoldItem | None = Field(description="Why the first import waits for tokens, if it does.")


class SourceDetails(SourceItem):
    """A source with the body that it was created from."""

    body: dict[str, Any]


class Stopped(BaseModel):
    """A source that has been deleted."""

    source_instance_id: UUID
    status: Status
    message: str = Field(description="What stays of it, and how that is removed.")
    warning: str | None = None


class Cell(BaseModel):
    """A value with the label of its property."""

    value: Any = Field(examples=["Website relaunch"])
    label: str = Field(examples=["Title"])


MAX_PAGE_SIZE = 200
"""Rows that a page has at most."""

Row = dict[str, Any]
"""Cells by property; with ``format=flat`` values by property."""


MAX_DIFFERENCES = 10_000
"""Differences that an answer names at most."""


class DifferenceItem(BaseModel):
    """One difference between two instants."""

    kind: Literal["came", "went", "changed"]
    id: int | str = Field(description="The record's id at Pipedrive.", examples=[42])
    property: str | None = Field(description="Which property changed; null if the record came or went.")
    old: str | None = Field(description="Its value before, as text.")
    new: str | None = Field(description="Its value after, as text.")


class DifferencesPage(BaseModel):
    """What came, went and changed between two instants."""

    source: str = Field(examples=["all_deals"], description="The slug of the source.")
    since: datetime = Field(alias="from")
    until: datetime = Field(alias="to")
    known_from: datetime | None = Field(description="Before it nothing is known.")
    came: int = Field(description="Records that were there at the second instant only.", ge=0)
    went: int = Field(description="Records that were there at the first one only.", ge=0)
    changed: int = Field(description="Records that were not the same at both.", ge=0)
    differences: list[DifferenceItem] = Field(
        max_length=MAX_DIFFERENCES, description="The first of them, by record."
    )


class DataPage(BaseModel):
    """Some rows of a source."""

    rows: list[Row] = Field(
        max_length=MAX_PAGE_SIZE, examples=[[{"title": {"value": "Website relaunch", "label": "Title"}}]]
    )
    total_count: int = Field(description="Current rows by now.", ge=0)
    page_no: int = Field(ge=1)
    page_size: int = Field(ge=1, le=MAX_PAGE_SIZE)


class PreviewMetadata(BaseModel):
    """What is known of the records that were not shown."""

    total_results: int = Field(description="Matching records among those that were read.", ge=0)
    capped: bool | None = Field(None, description="True if there are more records than were read.")


class PreviewData(BaseModel):
    """Up to 100 rows that a body would import, the latest changes first."""

    data: list[dict[str, Cell]] = Field(max_length=MAX_PREVIEW_ROWS)
    metadata: PreviewMetadata


class PropertyOptions(BaseModel):
    """The properties to choose from."""

    options: list[PropertyOption]


class SheetItem(BaseModel):
    """A table of a workflow."""

    sheet_id: UUID
    name: str


class WorkflowItem(BaseModel):
    """A workflow. The id of its main sheet is its own."""

    workflow_id: UUID
    slug: str = Field(
        description="Names its file, asset and table.", pattern=SLUG_PATTERN, examples=["outreach"]
    )
    name: str
    auto_run: bool = Field(description="Whether new rows are queued to be run.")
    sheets: list[SheetItem] = Field(min_length=1)
    sources: list[str] = Field(description="Slugs of the sources that are synced to it.")


class InputItem(BaseModel):
    """An input of a workflow."""

    name: str = Field(examples=["email"])
    type: ColumnType
    reference: str = Field(
        description="What a field mapping calls it.",
        pattern=r"^\{\{input\.[a-z][a-z0-9_]*\}\}$",
        examples=["{{input.email}}"],
    )


class InputList(BaseModel):
    """The inputs of a workflow's sheet."""

    inputs: list[InputItem]


class SyncedRows(BaseModel):
    """What a sync has done by now; a sync goes on with what later imports bring."""

    model_config = ConfigDict(extra="allow")

    sync_id: UUID
    workflow_id: UUID
    source_instance_id: UUID
    state: Literal["synced", "waiting"] = Field(
        description="`synced`, or `waiting` where the source has not been imported yet."
    )
    inserted: int = Field(ge=0)
    updated: int = Field(ge=0)
    removed: int = Field(ge=0)
    rejected: int = Field(description="Records whose values an input does not take.", ge=0)
    queued: int = Field(description="Runs of rows that were queued.", ge=0)
    rows: int = Field(description="Rows of the workflow that come from this sync.", ge=0)
    warning: str | None = None


class WriteItem(BaseModel):
    """A write: which rows change which records."""

    write_id: UUID
    slug: str = Field(description="Names its file and asset.", pattern=SLUG_PATTERN, examples=["lead_scores"])
    name: str
    object_type: str
    operation: Literal["create", "update", "upsert", "delete"]
    apply: Literal["by_hand", "automatic"]
    schedule: str | None


class PlanRow(BaseModel):
    """A row of a plan: a change, or why a row changes nothing."""

    kind: Literal["create", "update", "delete", "conflict", "reject"]
    id: str | None = Field(description="The record's.")
    name: str | None = Field(description="What the record is called.")
    row: dict[str, Any] = Field(description="What the row's record is known by.")
    changes: list[dict[str, str]] = Field(description="`property`, `old` and `new`, for people.")
    status: str | None = Field(description="What became of it; null where it changes nothing.")
    reason: str | None
    request_id: str | None


class PlanItem(BaseModel):
    """A plan of a write."""

    plan_id: UUID
    write: str
    name: str
    object_type: str
    operation: str
    undo_of: UUID | None = Field(description="The plan that it takes back.")
    status: Literal["planned", "applying", "stopped", "applied", "superseded"]
    made_at: datetime
    made_by: str
    creates: int = Field(ge=0)
    updates: int = Field(ge=0)
    deletes: int = Field(ge=0)
    unchanged: int = Field(ge=0)
    conflicts: int = Field(ge=0)
    rejects: int = Field(ge=0)
    estimated_tokens: int = Field(ge=0)
    above_limits: list[str] = Field(description="What is above the limits of the write, a sentence each.")
    applied_at: datetime | None
    applied_by: str | None
    tokens: int = Field(description="What it has cost so far.", ge=0)
    note: str | None
    rows: list[PlanRow] | None = Field(None, max_length=1000)


class AppliedItem(BaseModel):
    """How far the application of a plan is."""

    plan: PlanItem
    counts: dict[str, int] = Field(description="Changes by state.")
    note: str | None = Field(None, description="Why it stopped before its end.")


def answer(data: Any, status: int = 200) -> Response:
    """A success: ``{status, data}``.

    Args:
        data: JSON, with models, dates, times and UUIDs anywhere in it.
        status: the HTTP status.
    """
    content = orjson.dumps({"status": status, "data": data}, default=_plain, option=orjson.OPT_NON_STR_KEYS)
    return Response(content, status, media_type="application/json")


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return str(value)


Body = TypeVar("Body", bound=BaseModel)


class OptionsContext(BaseModel):
    """What properties are wanted for."""

    model_config = ConfigDict(extra="forbid")

    object_type: StrictStr


class OptionsBody(BaseModel):
    """The body of a request for property options."""

    model_config = ConfigDict(extra="forbid")

    context: OptionsContext


class StatusBody(BaseModel):
    """The body that pauses or resumes a source."""

    model_config = ConfigDict(extra="forbid")

    status: Switch


class SyncBody(SyncRules):
    """The body that syncs a source to a workflow."""

    workflow_id: UUID
    field_mapping: dict[StrictStr, StrictStr] = Field(
        min_length=1,
        description="Properties by reference of the input, such as `input.email`; braces are tolerated.",
        examples=[{"input.email": "emails"}],
    )


class PlanBody(BaseModel):
    """The body that plans a write."""

    model_config = ConfigDict(extra="forbid")

    refresh: StrictBool = Field(
        default=True, description="Whether what has changed at Pipedrive is imported before."
    )


class UndoBody(BaseModel):
    """The body that names a plan to take back."""

    model_config = ConfigDict(extra="forbid")

    plan_id: UUID | None = Field(default=None, description="The newest if not given.")


class ApplyBody(UndoBody):
    """The body that names a plan to apply."""

    above_limits: StrictBool = Field(
        default=False, description="Whether a plan above its limits is applied all the same."
    )


def parsed(model: type[Body], data: Any) -> Body:
    """A body as its model.

    Raises:
        InvalidBodyError: with everything that is wrong with it.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InvalidBodyError(problems_of(error, {"": model, "context": OptionsContext})) from None
