"""Answers to errors: every way in which a call can fail, in one envelope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from pipedrive_orchestration.importing import StagingError
from pipedrive_orchestration.pipedrive.errors import (
    NOT_CONNECTED,
    BudgetSpent,
    NotConnected,
    PipedriveError,
)
from pipedrive_orchestration.services.errors import StatusConflictError, UnknownSourceIdError
from pipedrive_orchestration.sources import InvalidBodyError, OldFileError, Problem
from pipedrive_orchestration.warehouse import WarehouseError
from pipedrive_orchestration.warehouse.differences import NoHistoryError
from pipedrive_orchestration.workflows import UnknownWorkflowError
from pipedrive_orchestration.writing.apply import NotAppliedError
from pipedrive_orchestration.writing.permission import WritesNotAllowedError
from pipedrive_orchestration.writing.store import UnknownWriteError


class ApiError(Exception):
    """A call that is answered with a status of 400 or above."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        hint: str | None = None,
        problems: Sequence[Problem] = (),
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.message = message
        self.hint = hint
        self.problems = tuple(problems)
        self.data = data
        self.headers = headers
        super().__init__(message)


MOST_PROBLEMS = 200
"""Problems that one answer lists; a body that is small can have hundreds of thousands."""


def invalid(problems: Sequence[Problem]) -> ApiError:
    """The answer to a request of which something is wrong: all of it at once, as far as a person reads it."""
    count = len(problems)
    message = (
        "One thing is wrong with the request."
        if count == 1
        else f"{count} things are wrong with the request."
    )
    if count > MOST_PROBLEMS:
        message += f" The first {MOST_PROBLEMS} are listed."
    return ApiError(400, message, problems=problems[:MOST_PROBLEMS])


_STATUSES: dict[type[Exception], int] = {
    UnknownSourceIdError: 404,
    UnknownWorkflowError: 404,
    UnknownWriteError: 404,
    WritesNotAllowedError: 403,
    NotAppliedError: 409,
    NoHistoryError: 409,
    StatusConflictError: 409,
    BudgetSpent: 402,
    PipedriveError: 502,
    StagingError: 503,
    WarehouseError: 503,
    OldFileError: 503,
    OSError: 503,
}
"""Status by error; more special errors stand before more general ones."""

FORESEEN: tuple[type[Exception], ...] = (
    ApiError,
    HTTPException,
    InvalidBodyError,
    RequestValidationError,
    NotConnected,
    *_STATUSES,
)
"""Errors that are answers; any other is answered with 500 and goes on to the log."""

RETRY_SECONDS = 5
"""Seconds after which to try again what could not be had for the moment."""


def error_of(error: Exception) -> ApiError:
    """The answer that an error is; of what nobody foresaw it tells nothing."""
    match error:
        case ApiError():
            return error
        case InvalidBodyError() | RequestValidationError():
            return invalid(_problems(error))
        case NotConnected():
            return ApiError(424, NOT_CONNECTED, hint=error.hint)
        case HTTPException():
            return ApiError(error.status_code, _sentence(error.status_code), headers=error.headers)
    status = next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), 500)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return ApiError(status, "Something went wrong here that nobody foresaw; the log says more.")
    retry = {"Retry-After": str(RETRY_SECONDS)} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return ApiError(status, str(error), headers=retry)


def _sentence(status: int) -> str:
    if status == HTTPStatus.NOT_FOUND:
        return "There is nothing at this address; /api/v1/docs shows what there is."
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return "This address does not take that method; the header Allow names those that it takes."
    return HTTPStatus(status).description or HTTPStatus(status).phrase


def _problems(error: InvalidBodyError | RequestValidationError) -> Sequence[Problem]:
    if isinstance(error, InvalidBodyError):
        return error.problems
    return [_problem(details) for details in error.errors()]


def _problem(details: Mapping[str, Any]) -> Problem:
    field = ".".join(str(part) for part in details["loc"][1:])
    code = str(details["type"])
    if code == "extra_forbidden":
        return Problem(field, "unknown_parameter", "Unknown query parameter.")
    if code.startswith("uuid"):
        return Problem(field, "invalid_id", "Must be a UUID, such as 50f2de20-c9dc-5dbb-b41b-2cff29c164f0.")
    return Problem(field, code, f"{details['msg']}.")


def answer_to(error: ApiError) -> Response:
    """The answer: ``{status, error, message}``, with ``hint``, ``errors`` or ``data`` where there is one."""
    content: dict[str, Any] = {
        "status": error.status,
        "error": HTTPStatus(error.status).phrase,
        "message": error.message,
    }
    if error.hint is not None:
        content["hint"] = error.hint
    if error.problems:
        content["errors"] = [
            {"field": problem.field, "code": problem.code, "message": problem.message}
            for problem in error.problems
        ]
    if error.data is not None:
        content["data"] = error.data
    return Response(orjson.dumps(content), error.status, headers=error.headers, media_type="application/json")


EXPORT_PATH = "/v1/e/pipedrive/export"
"""Where the CRM export service of others answers, whose clients find here what they know."""


def export_failure(
    status: int, error: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """A failure in that service's envelope: ``{success, message, error}``."""
    return export_response(status, {"success": False, "message": message, "error": error}, headers)


def export_response(
    status: int, content: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    """An answer of that service."""
    return Response(orjson.dumps(content), status, headers=headers, media_type="application/json")
