"""Answers to errors: every way in which a call can fail, in one envelope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from pipedrive_orchestration.importing import StagingError
from pipedrive_orchestration.pipedrive.errors import BudgetSpent, NotConnected, PipedriveError
from pipedrive_orchestration.services.errors import StatusConflictError, UnknownSourceIdError
from pipedrive_orchestration.sources import InvalidBodyError, OldFileError, Problem
from pipedrive_orchestration.warehouse import WarehouseError
from pipedrive_orchestration.workflows import UnknownWorkflowError


class ApiError(Exception):
    """A call that is answered with a status of 400 or above."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        problems: Sequence[Problem] = (),
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.message = message
        self.problems = tuple(problems)
        self.data = data
        self.headers = headers
        super().__init__(message)


def invalid(problems: Sequence[Problem]) -> ApiError:
    """The answer to a request of which something is wrong: all of it at once."""
    count = len(problems)
    message = (
        "One thing is wrong with the request."
        if count == 1
        else f"{count} things are wrong with the request."
    )
    return ApiError(400, message, problems=problems)


_STATUSES: dict[type[Exception], int] = {
    UnknownSourceIdError: 404,
    UnknownWorkflowError: 404,
    StatusConflictError: 409,
    NotConnected: 424,
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
    *_STATUSES,
)
"""Errors that are answers; any other is answered with 500 and goes on to the log."""

RETRY_SECONDS = 5
"""Seconds after which to try again what could not be had for the moment."""


def _of(error: Exception) -> ApiError:
    match error:
        case ApiError():
            return error
        case InvalidBodyError():
            return invalid(error.problems)
        case RequestValidationError():
            return invalid([_problem(details) for details in error.errors()])
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


def _problem(details: Mapping[str, Any]) -> Problem:
    field = ".".join(str(part) for part in details["loc"][1:])
    code = str(details["type"])
    if code == "extra_forbidden":
        return Problem(field, "unknown_parameter", "Unknown query parameter.")
    if code.startswith("uuid"):
        return Problem(field, "invalid_id", "Must be a UUID, such as 50f2de20-c9dc-5dbb-b41b-2cff29c164f0.")
    return Problem(field, code, f"{details['msg']}.")


def answer_to(error: ApiError) -> Response:
    """The answer: ``{status, error, message}``, with ``errors`` or ``data`` where there are some."""
    content: dict[str, Any] = {
        "status": error.status,
        "error": HTTPStatus(error.status).phrase,
        "message": error.message,
    }
    if error.problems:
        content["errors"] = [
            {"field": problem.field, "code": problem.code, "message": problem.message}
            for problem in error.problems
        ]
    if error.data is not None:
        content["data"] = error.data
    return Response(orjson.dumps(content), error.status, headers=error.headers, media_type="application/json")


async def answer_to_any(_request: Request, error: Exception) -> Response:
    """The answer to any error; of what nobody foresaw it tells nothing."""
    return answer_to(_of(error))
