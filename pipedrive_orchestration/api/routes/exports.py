"""The door of the CRM export service: its address, its envelope and its errors."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pipedrive_orchestration.api.dependencies import AccountCheck, Context, needs
from pipedrive_orchestration.api.errors import EXPORT_PATH, export_failure, export_response
from pipedrive_orchestration.api.keys import Scope
from pipedrive_orchestration.models.errors import ModelsError
from pipedrive_orchestration.models.exports import (
    DEFAULT_LIMIT,
    EXPORTS,
    MOST_RECORDS,
    ExportPage,
    export_page,
)
from pipedrive_orchestration.pipedrive.errors import NotConnected
from pipedrive_orchestration.warehouse import WarehouseError

router = APIRouter(prefix=EXPORT_PATH, include_in_schema=False)

_LARGEST = 2**53
"""The largest number that every client can send as it is."""


@router.get(
    "/{kind}",
    dependencies=[needs(Scope.SOURCES_READ)],
)
async def export_records(
    request: Request,
    context: Context,
    kind: str,
    limit: str = "",
    start: str = "",
) -> Response:
    """Records as clients of v1 know them, from the database.

    Ask for `start=<next_start>` as long as `more_items_in_collection` is true. What is imported meanwhile
    makes no record be missed.
    """
    try:
        request.state.connection = context.connection
    except NotConnected:
        return export_failure(401, "TOKEN_NOT_FOUND", "User oauth token not found. Please redirect to login")
    account: AccountCheck = request.app.state.account_check
    if await account.refusal(request):
        return export_failure(401, "TOKEN_INVALIDATED", "TOKEN_INVALIDATED")
    if kind not in EXPORTS:
        allowed = ", ".join(EXPORTS)
        return export_failure(400, "INVALID_TYPE", f"Invalid type. Allowed types: {allowed}")
    wrong = [name for name, text in (("limit", limit), ("start", start)) if not _is_number(text)]
    if wrong or limit.strip("0") == "" != limit:
        names = " and ".join(wrong or ["limit"])
        return export_failure(
            400, "INVALID_PARAMETER", f"Write {names} as a whole number; a limit is at least 1."
        )
    first, count = int(start or 0), min(int(limit or DEFAULT_LIMIT), MOST_RECORDS)
    try:
        sources = context.deployment.store.load().sources
        page = await run_in_threadpool(
            export_page, context.warehouse, sources, kind, start=first, limit=count
        )
    except (ModelsError, WarehouseError) as error:
        return export_failure(HTTPStatus.BAD_GATEWAY, "EXTERNAL_API_ERROR", f"Pipedrive API error: {error}")
    return export_response(200, _answer(page, first, count))


def _answer(page: ExportPage, start: int, limit: int) -> dict[str, Any]:
    return {
        "success": True,
        "message": "SUCCESS",
        "data": page.records,
        "pagination": {
            "start": start,
            "limit": limit,
            "more_items_in_collection": page.next_start is not None,
            "next_start": page.next_start,
        },
    }


def _is_number(text: str) -> bool:
    is_short = len(text) <= len(str(_LARGEST))
    return text == "" or (is_short and text.isascii() and text.isdigit() and int(text) <= _LARGEST)
