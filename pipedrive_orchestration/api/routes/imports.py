"""Calls about a body: its preview, the source that is created from it, the properties to choose from."""

from __future__ import annotations

from functools import partial
from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from starlette.responses import Response

from pipedrive_orchestration.api.dependencies import (
    CodeLocation,
    Context,
    JsonBody,
    NoQuery,
    needs,
    needs_connection,
)
from pipedrive_orchestration.api.errors import ApiError
from pipedrive_orchestration.api.keys import Scope
from pipedrive_orchestration.api.middleware import API_PATH
from pipedrive_orchestration.api.openapi import (
    AFTER_OPTIONS,
    AFTER_PREVIEW,
    OPTIONS_EXAMPLE,
    PREVIEW_EXAMPLE,
    SOURCE_EXAMPLE,
    STATIC_SOURCE_EXAMPLE,
    answers,
    body_of,
    source_links,
)
from pipedrive_orchestration.api.schemas import (
    Created,
    OptionsBody,
    PreviewData,
    PropertyOptions,
    Success,
    answer,
    parsed,
)
from pipedrive_orchestration.importing import preview, property_options
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.services.deployment import Deployment
from pipedrive_orchestration.services.lifecycle import (
    STARTS_LATER,
    CreatedSource,
    add_source,
    start_first_import,
)
from pipedrive_orchestration.services.reloads import Reloads
from pipedrive_orchestration.services.web_server import ReloadError
from pipedrive_orchestration.sources import PreviewBody, SourceBody

router = APIRouter(prefix=f"{API_PATH}/sources/import_from_pipedrive", tags=["import from Pipedrive"])

AT_ONCE = 8
"""Previews that are read at the same time; more would only wait for Pipedrive's burst limit."""

CREATES_AT_ONCE = 4
"""Sources that are created at the same time."""


class AccountCalls:
    """The limits by which calls that wait for Pipedrive leave threads to those that do not.

    Each kind has its own, so that none waits for one that takes longer.

    Attributes:
        previews: calls that read a few pages of records.
        options: calls that read a list of fields.
        creates: calls that create a source.
    """

    def __init__(self) -> None:
        self.previews = CapacityLimiter(AT_ONCE)
        self.options = CapacityLimiter(AT_ONCE)
        self.creates = CapacityLimiter(CREATES_AT_ONCE)


def _calls(request: Request) -> AccountCalls:
    calls: AccountCalls = request.app.state.account_calls
    return calls


@router.post(
    "/preview",
    dependencies=[needs(Scope.SOURCES_READ), needs_connection],
    response_model=Success[PreviewData],
    responses=answers(402, 413, 424, 502, links=AFTER_PREVIEW),
    openapi_extra=body_of(PreviewBody, filtered=PREVIEW_EXAMPLE),
    summary="See what a body would import",
)
async def preview_import(request: Request, context: Context, _: NoQuery, content: JsonBody) -> Response:
    """Reads at most 10 pages of the account and creates nothing."""
    body = PreviewBody.parse(content, catalogue=context.deployment.store.catalogue)
    connection = context.connection
    found = await run_sync(partial(preview, body, connection=connection), limiter=_calls(request).previews)
    metadata = {"total_results": found.total_results} | ({"capped": True} if found.capped else {})
    return answer({"data": found.rows, "metadata": metadata})


@router.post(
    "",
    status_code=201,
    dependencies=[needs(Scope.SOURCES_WRITE), needs_connection],
    response_model=Success[Created],
    responses=answers(402, 413, 424, 502, links=source_links("/data/source_instance_id"), linked=(201, 402)),
    openapi_extra=body_of(SourceBody, filtered=SOURCE_EXAMPLE, static=STATIC_SOURCE_EXAMPLE),
    summary="Create a source",
)
async def create_import(
    request: Request, context: Context, reloads: CodeLocation, _: NoQuery, content: JsonBody
) -> Response:
    """Writes the source's file. Dagster is told of it meanwhile, and starts the first import.

    Where the tokens of today, or `options.max_tokens`, cannot pay for the import, the answer is 402: the
    source is there, its id is in the answer, and its import waits.
    """
    catalogue = context.deployment.store.catalogue
    body = SourceBody.parse(content, catalogue=catalogue, created_on=context.clock().date())
    connection = context.connection
    create = partial(_create, context.deployment, reloads, body, connection)
    with reloads.change():
        created = await run_sync(create, limiter=_calls(request).creates)
    shown = _shown(created)
    if created.hold is not None:
        raise ApiError(402, str(created.hold), data=shown)
    return answer(shown, 201)


def _create(
    deployment: Deployment, reloads: Reloads, body: SourceBody, connection: Connection
) -> CreatedSource:
    created = add_source(deployment, body, connection=connection)
    reloads.request(partial(start_first_import, deployment, created))
    try:
        deployment.check_dagster()
    except ReloadError as error:
        return created if created.imports_nothing else created.with_warning(f"{error} {STARTS_LATER}")
    return created


def _shown(created: CreatedSource) -> dict[str, Any]:
    source = created.source
    shown = Created(
        source_instance_id=source.id,
        name=source.name,
        created_at=source.created_at,
        warning=created.warning,
    )
    return shown.model_dump(mode="json", exclude_none=True)


@router.post(
    "/options/properties",
    dependencies=[needs(Scope.SOURCES_READ), needs_connection],
    response_model=Success[PropertyOptions],
    responses=answers(402, 413, 424, 502, links=AFTER_OPTIONS),
    openapi_extra=body_of(OptionsBody, deals=OPTIONS_EXAMPLE),
    summary="List the properties of an object type",
)
async def list_property_options(
    request: Request, context: Context, _: NoQuery, content: JsonBody
) -> Response:
    """The account's fields with their labels; `properties_metadata` takes the list as it is."""
    object_type = parsed(OptionsBody, content).context.object_type
    read = partial(
        property_options,
        object_type,
        connection=context.connection,
        catalogue=context.deployment.store.catalogue,
    )
    found = await run_sync(read, limiter=_calls(request).options)
    return answer({"options": found})
