"""Calls about sources: their states, their rows, pausing and deleting them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from pipedrive_orchestration.api.connection import SharedReading
from pipedrive_orchestration.api.dependencies import (
    CodeLocation,
    Context,
    FoundSource,
    JsonBody,
    NoQuery,
    needs,
)
from pipedrive_orchestration.api.errors import invalid
from pipedrive_orchestration.api.keys import Scope
from pipedrive_orchestration.api.middleware import API_PATH
from pipedrive_orchestration.api.openapi import answers, body_of, source_links
from pipedrive_orchestration.api.schemas import (
    MAX_DIFFERENCES,
    MAX_PAGE_SIZE,
    DataPage,
    DifferencesPage,
    HoldItem,
    SourceDetails,
    SourceItem,
    StatusBody,
    Stopped,
    Success,
    answer,
    parsed,
)
from pipedrive_orchestration.services.deployment import Deployment
from pipedrive_orchestration.services.errors import StatusConflictError
from pipedrive_orchestration.services.lifecycle import (
    STOPPED_ALREADY,
    remains_of,
    remove_source,
    switch_source,
)
from pipedrive_orchestration.services.reloads import Reloads
from pipedrive_orchestration.services.status import (
    SourceState,
    Status,
    all_states,
    state_of_known,
)
from pipedrive_orchestration.services.web_server import ReloadError
from pipedrive_orchestration.sources import Problem, Source
from pipedrive_orchestration.warehouse.differences import NoHistoryError, differences
from pipedrive_orchestration.warehouse.field_history import last_fields
from pipedrive_orchestration.warehouse.rows import (
    NO_ROWS,
    Counts,
    RowPage,
    read_counts,
    read_page,
)

router = APIRouter(prefix=f"{API_PATH}/sources", tags=["sources"])


def _reading(request: Request) -> SharedReading:
    reading: SharedReading = request.app.state.reading
    return reading


@router.get(
    "",
    dependencies=[needs(Scope.SOURCES_READ)],
    response_model=Success[list[SourceItem]],
    responses=answers(links=source_links("/data/0/source_instance_id")),
    summary="List all sources",
)
def list_sources(request: Request, context: Context, _: NoQuery) -> Response:
    """By slug, deleted ones last. Files that are added by hand are among them."""
    states = all_states(context.deployment)
    counted = _counted(_reading(request), states)
    return answer([_item(state, counted[state.source.slug]) for state in states])


@router.get(
    "/{source_id:source}",
    dependencies=[needs(Scope.SOURCES_READ)],
    response_model=Success[SourceDetails],
    responses=answers(404, links=source_links("/data/source_instance_id")),
    summary="Show a source",
)
def show_source(request: Request, context: Context, found: FoundSource, _: NoQuery) -> Response:
    """A source with its body, deleted or not."""
    return answer(_details(request, state_of_known(context.deployment, found)))


MAX_PAGE_NO = 2**53 - 1
"""The largest number that every reader of JSON takes as it is."""


class DataQuery(BaseModel):
    """Which rows to show, and how."""

    model_config = ConfigDict(extra="forbid")

    page_no: int = Field(1, ge=1, le=MAX_PAGE_NO, description="The page, from 1; one past the end is empty.")
    page_size: int = Field(20, ge=1, le=MAX_PAGE_SIZE, description="Rows on a page.")
    format: Literal["labeled", "flat"] = Field(
        "labeled", description="`labeled`: every value with the label of its property. `flat`: values alone."
    )


@router.get(
    "/{source_id:source}/data",
    dependencies=[needs(Scope.SOURCES_READ)],
    response_model=Success[DataPage],
    responses=answers(404),
    summary="Page through the rows of a source",
)
def read_data(request: Request, found: FoundSource, query: Annotated[DataQuery, Query()]) -> Response:
    """Current rows in the order in which they first came: while an import runs, new ones come last."""
    source, reading = found.source, _reading(request)
    page, labels = NO_ROWS, dict[str, str]()
    if reading.exists:
        with reading.cursor() as connection:
            page = read_page(connection, source.slug, source.properties, query.page_no, query.page_size)
            fields = last_fields(connection, source.object_type, page.keys)
            labels = {key: source.labels.get(key, field.label) for key, field in fields.items()}
    return answer(
        {
            "rows": _rows(page, None if query.format == "flat" else labels),
            "total_count": page.total_count,
            "page_no": query.page_no,
            "page_size": query.page_size,
        }
    )


def _instant(value: Any) -> Any:
    # Pydantic would take a number for seconds since 1970.
    if isinstance(value, str) and "-" not in value:
        raise PydanticCustomError("instant", "Write an instant such as 2026-06-01T09:00:00Z.")
    return value


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("instant", "The instant is outside the years 1 to 9999.") from None


Instant = Annotated[datetime, BeforeValidator(_instant), AfterValidator(_in_utc)]


class DiffQuery(BaseModel):
    """Between which instants, and how many differences to name."""

    model_config = ConfigDict(extra="forbid")

    since: Instant = Field(
        alias="from",
        description="The first instant; a day alone is its midnight, and without an offset it is UTC.",
    )
    until: Instant | None = Field(None, alias="to", description="The second one; now if not given.")
    rows: int = Field(50, ge=1, le=MAX_DIFFERENCES, description="How many differences to name.")


@router.get(
    "/{source_id:source}/diff",
    dependencies=[needs(Scope.SOURCES_READ)],
    response_model=Success[DifferencesPage],
    responses=answers(404, 409),
    summary="Compare a source at two instants",
)
def read_differences(
    request: Request, context: Context, found: FoundSource, query: Annotated[DiffQuery, Query()]
) -> Response:
    """Which records came, went and changed, property by property.

    The source has to keep versions (`options: {history: true}`), or the answer is 409. What was before the
    first of them is not known: `known_from`.
    """
    slug, since, until = found.source.slug, query.since, query.until or context.clock()
    if until < since:
        raise invalid([Problem("from", "later_than_to", "Has to be before `to`.")])
    reading = _reading(request)
    if not reading.exists:
        raise NoHistoryError(slug)
    with reading.cursor() as connection:
        differing = differences(connection, slug, since, until, query.rows)
    return answer(differing.content(slug, since, until))


@router.patch(
    "/{source_id:source}/status",
    dependencies=[needs(Scope.SOURCES_WRITE)],
    response_model=Success[SourceDetails],
    responses=answers(404, 409, 413),
    openapi_extra=body_of(StatusBody, pause={"status": "paused"}, resume={"status": "active"}),
    summary="Pause or resume a source",
)
def set_status(
    request: Request, context: Context, found: FoundSource, _: NoQuery, content: JsonBody
) -> Response:
    """Stops or starts the source's schedule, as the switch in Dagster's UI does.

    Setting a source `active` also starts a first import that waits for tokens.
    """
    wanted = parsed(StatusBody, content).status
    if found.deleted:
        raise StatusConflictError(f"{found.source.slug} was deleted.")
    return answer(_details(request, switch_source(context.deployment, found.source, wanted)))


@router.delete(
    "/{source_id:source}",
    dependencies=[needs(Scope.SOURCES_WRITE)],
    response_model=Success[Stopped],
    responses=answers(404),
    summary="Delete a source",
)
def delete_source(context: Context, reloads: CodeLocation, found: FoundSource, _: NoQuery) -> Response:
    """Stops its schedule and puts its file aside. Its rows are kept; deleting again changes nothing."""
    source = found.source
    warning = None if found.deleted else _deleted(context.deployment, reloads, source)
    stopped = Stopped(
        source_instance_id=source.id, status=Status.DELETED, message=remains_of(source), warning=warning
    )
    return answer(stopped.model_dump(mode="json", exclude_none=True))


def _deleted(deployment: Deployment, reloads: Reloads, source: Source) -> str | None:
    with reloads.change():
        warning = remove_source(deployment, source)
        reloads.request()
    try:
        deployment.check_dagster()
    except ReloadError as error:
        return " ".join(filter(None, (warning, f"{error} {STOPPED_ALREADY}")))
    return warning


def _details(request: Request, state: SourceState) -> SourceDetails:
    counted = _counted(_reading(request), [state])[state.source.slug]
    return SourceDetails(**_item(state, counted).model_dump(), body=state.source.body)


def _counted(reading: SharedReading, states: Sequence[SourceState]) -> dict[str, Counts]:
    slugs = {state.source.slug for state in states}
    if not reading.exists or not slugs:
        return dict.fromkeys(slugs, Counts())
    with reading.cursor() as connection:
        return {slug: read_counts(connection, slug) for slug in slugs}


def _item(state: SourceState, counts: Counts) -> SourceItem:
    source, hold = state.source, state.hold
    return SourceItem(
        source_instance_id=source.id,
        slug=source.slug,
        name=source.name,
        object_type=source.object_type,
        pull_mode=source.pull_mode,
        schedule=source.schedule,
        expiration_date=source.expiration_date,
        created_at=source.created_at,
        status=state.status,
        is_importing=state.is_importing,
        next_tick=state.next_tick,
        row_count=counts.current,
        removed_count=counts.removed,
        quarantined_count=counts.quarantined,
        watermark=counts.watermark,
        skipped=counts.skipped,
        hold=HoldItem(estimated_tokens=hold.estimated_tokens, budget=hold.budget, until=hold.until)
        if hold
        else None,
    )


def _rows(page: RowPage, labels: Mapping[str, str] | None) -> list[dict[str, Any]]:
    if labels is None:
        return [dict(zip(page.keys, row, strict=True)) for row in page.rows]
    names = [(key, labels.get(key, key)) for key in page.keys]
    return [
        {key: {"value": value, "label": label} for (key, label), value in zip(names, row, strict=True)}
        for row in page.rows
    ]
