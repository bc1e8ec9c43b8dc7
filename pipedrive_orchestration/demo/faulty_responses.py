"""What the faults make of a good response."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import orjson
from starlette.types import Message

from pipedrive_orchestration.demo.faults import Fault

_SKEW = timedelta(hours=6)
_HTML = {"content-type": "text/html"}
_BLOCKED = b"<!DOCTYPE html><html><title>Attention Required! | Cloudflare</title><h1>Blocked</h1></html>"
_OVER_LIMIT = b'{"success":false,"error":"request over limit","errorCode":429}'


@dataclass(slots=True)
class FullResponse:
    """A response as a whole, which can still be changed; header names in lower case."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> dict[str, Any]:
        """The envelope."""
        envelope: dict[str, Any] = orjson.loads(self.body)
        return envelope

    def start(self) -> Message:
        """The message that sends status and headers."""
        headers = {**self.headers, "content-length": str(len(self.body))}
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        return {"type": "http.response.start", "status": self.status, "headers": encoded}


Change = Callable[[FullResponse], FullResponse]


def _refusal(status: int, headers: Mapping[str, str], body: bytes) -> Change:
    return lambda response: FullResponse(status, {**response.headers, **headers}, body)


def _cut(response: FullResponse) -> FullResponse:
    return FullResponse(200, response.headers, response.body[: len(response.body) // 2])


def _with_keys(**keys: Any) -> Change:
    return lambda response: FullResponse(200, response.headers, orjson.dumps({**response.json(), **keys}))


def _without_additional_data(response: FullResponse) -> FullResponse:
    envelope = response.json()
    envelope.pop("additional_data", None)
    return FullResponse(200, response.headers, orjson.dumps(envelope))


def _skewed(skew: timedelta) -> Change:
    def change(response: FullResponse) -> FullResponse:
        date = format_datetime(parsedate_to_datetime(response.headers["date"]) + skew, usegmt=True)
        return FullResponse(200, {**response.headers, "date": date}, response.body)

    return change


def lost_cursor() -> FullResponse:
    """The response to a cursor that the account does not know any more."""
    # No error of an old cursor is documented (docs/pipedrive-api.md#pagination): refused like any parameter.
    error = "Validation failed: cursor: This value is not a valid cursor."
    body = {"success": False, "error": error, "code": "ERR_SCHEMA_VALIDATION_FAILED"}
    return FullResponse(400, {"content-type": "application/json"}, orjson.dumps(body))


CHANGES: dict[Fault, Change] = {
    Fault.BURST: _refusal(429, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}, _OVER_LIMIT),
    Fault.DAILY: _refusal(429, {"x-daily-ratelimit-token-remaining": "0"}, _OVER_LIMIT),
    **{
        Fault(str(status)): _refusal(status, _HTML, b"<html>Try again later</html>")
        for status in (500, 502, 503, 504)
    },
    Fault.BLOCKED: _refusal(403, _HTML, _BLOCKED),
    Fault.HTML: _refusal(200, _HTML, _BLOCKED),
    Fault.TRUNCATED: _cut,
    Fault.CONTENT_TYPE: lambda response: FullResponse(200, {**response.headers, **_HTML}, response.body),
    Fault.NO_SUCCESS: _with_keys(success=False, error="Something went wrong", data=None),
    Fault.NULL_DATA: _with_keys(data=None, additional_data=None),
    Fault.NO_ADDITIONAL_DATA: _without_additional_data,
    Fault.CLOCK_AHEAD: _skewed(_SKEW),
    Fault.CLOCK_BEHIND: _skewed(-_SKEW),
}
"""What becomes of a good response, of the faults that lie in it alone."""
