"""The report, as a page."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import HTMLResponse

from pipedrive_orchestration.api.dependencies import Context, needs
from pipedrive_orchestration.api.errors import ApiError
from pipedrive_orchestration.api.keys import Scope
from pipedrive_orchestration.models.errors import ModelsError
from pipedrive_orchestration.models.report import Selection, kept_report, make_report
from pipedrive_orchestration.models.store import report_file, work_folder

router = APIRouter(include_in_schema=False)


@router.get("/report", dependencies=[needs(Scope.SOURCES_READ)])
def show_report(
    context: Context,
    first: Annotated[date | None, Query(alias="from")] = None,
    last: Annotated[date | None, Query(alias="to")] = None,
    pipeline: str | None = None,
    owner: str | None = None,
) -> HTMLResponse:
    """The charts and tables of the models as they are now.

    The page that the asset `models/report` has written is shown as long as no model was built after it.
    """
    selection, zone = Selection(first, last, pipeline, owner), context.settings.report_zone
    file = report_file(work_folder(context.settings))
    try:
        html = kept_report(file, context.warehouse, zone) if selection == Selection() else None
        html = html or make_report(context.warehouse, selection, zone).html
    except ModelsError as error:
        raise ApiError(503, str(error)) from None
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})
