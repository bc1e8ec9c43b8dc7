"""Refusals: every error body of the demo account, in Pipedrive's envelopes (docs/pipedrive-api.md#errors)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

HINT = "Please check developers.pipedrive.com"


class ApiError(Exception):
    """A request that is answered with an error.

    Attributes:
        status: HTTP status code.
        body: the JSON body.
        headers: headers beside the usual ones.
    """

    def __init__(self, status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {body.get('error')}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


def _envelope(error: str, error_info: str, **more: str) -> dict[str, Any]:
    return {
        "success": False,
        "error": error,
        "error_info": error_info,
        "data": None,
        "additional_data": None,
        **more,
    }


def bad_request(version: str, problems: Iterable[str]) -> ApiError:
    """400 naming every problem at once; v2 adds the code of a schema validation.

    Args:
        version: ``v1`` or ``v2``.
        problems: one sentence each, beginning with the parameter or key it is about.
    """
    text = " ".join(problems)
    if version == "v1":
        return ApiError(400, _envelope(f"Bad request: {text}", HINT))
    error = f"Validation failed: {text}"
    return ApiError(400, _envelope(error, HINT, code="ERR_SCHEMA_VALIDATION_FAILED"))


def unauthorized(correlation_id: str) -> ApiError:
    """401 as the gateway answers it, whatever the host or path (docs/pipedrive-api.md#authentication)."""
    body = {"success": False, "error": "unauthorized access", "errorCode": 401, "error_info": HINT}
    return ApiError(401, body, {"x-401-by-gw": "true", "x-correlation-id": correlation_id})


def wrong_scope() -> ApiError:
    """403 for an app that lacks every scope of an operation."""
    error = "Scope and URL mismatch"
    return ApiError(403, {"success": False, "error": error, "errorCode": 403, "error_info": HINT})


def not_open() -> ApiError:
    """402 for a collection that the company's plan and add-ons do not open."""
    return ApiError(402, _envelope("This feature is not available on the company's plan", HINT))


def not_found(resource: str = "") -> ApiError:
    """404 for a record, or a path, that is not there; users and leads have words of their own."""
    if resource == "users":
        return ApiError(404, {"success": False, "error": "User not found or not accessible."})
    error = "requested lead not found" if resource == "leads" else "Entity was not found"
    return ApiError(404, _envelope(error, "Object was not found."))


def method_not_allowed(allow: str) -> ApiError:
    """405 for a known path."""
    return ApiError(405, _envelope("Method not allowed", HINT), {"allow": allow})


def retired() -> ApiError:
    """410 for a v1 route that Pipedrive has taken away (docs/pipedrive-api.md#addresses-and-versions)."""
    return ApiError(410, _envelope("This endpoint is no longer available", "Use the v2 endpoint instead."))


def over_limit() -> ApiError:
    """429, for the burst limit and for the daily budget alike."""
    return ApiError(429, {"success": False, "error": "request over limit", "errorCode": 429})
