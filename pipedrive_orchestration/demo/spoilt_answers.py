"""What the faults make of a good answer."""

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

_BLOCKED = b"<!DOCTYPE html><html><title>Attention Required! | Cloudflare</title><h1>Blocked</h1></html>"


@dataclass(slots=True)
class Answer:
    """An answer that can still be changed; header names in lower case."""

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


def _refusing(status: int, more: Mapping[str, str], body: bytes) -> Callable[[Answer], Answer]:
    return lambda answer: Answer(status, {**answer.headers, **more}, body)


def _cut(answer: Answer) -> Answer:
    return Answer(200, answer.headers, answer.body[: len(answer.body) // 2])


def _enveloped(**more: Any) -> Callable[[Answer], Answer]:
    return lambda answer: Answer(200, answer.headers, orjson.dumps({**answer.json(), **more}))


def _without_additional_data(answer: Answer) -> Answer:
    envelope = answer.json()
    envelope.pop("additional_data", None)
    return Answer(200, answer.headers, orjson.dumps(envelope))


def _skewed(skew: timedelta) -> Callable[[Answer], Answer]:
    def change(answer: Answer) -> Answer:
        date = format_datetime(parsedate_to_datetime(answer.headers["date"]) + skew, usegmt=True)
        return Answer(200, {**answer.headers, "date": date}, answer.body)

    return change


def lost_cursor() -> Answer:
    """The answer to a cursor that the account does not know any more."""
    # No error of an old cursor is documented (docs/pipedrive-api.md#pagination); this is how v2 refuses a
    # parameter.
    body = {"success": False, "error": "Validation failed: cursor: This value is not a valid cursor."}
    return Answer(
        400,
        {"content-type": "application/json"},
        orjson.dumps(body | {"code": "ERR_SCHEMA_VALIDATION_FAILED"}),
    )


_TEXT = {"content-type": "text/html"}
_OVER_LIMIT = b'{"success":false,"error":"request over limit","errorCode":429}'

CHANGES: dict[Fault, Callable[[Answer], Answer]] = {
    Fault.BURST: _refusing(429, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}, _OVER_LIMIT),
    Fault.DAILY: _refusing(429, {"x-daily-ratelimit-token-remaining": "0"}, _OVER_LIMIT),
    **{
        Fault(str(status)): _refusing(status, _TEXT, b"<html>Try again later</html>")
        for status in (500, 502, 503, 504)
    },
    Fault.BLOCKED: _refusing(403, _TEXT, _BLOCKED),
    Fault.TRUNCATED: _cut,
    Fault.HTML: _refusing(200, _TEXT, _BLOCKED),
    Fault.CONTENT_TYPE: lambda answer: Answer(200, {**answer.headers, **_TEXT}, answer.body),
    Fault.NO_SUCCESS: _enveloped(success=False, error="Something went wrong", data=None),
    Fault.NULL_DATA: _enveloped(data=None, additional_data=None),
    Fault.NO_ADDITIONAL_DATA: _without_additional_data,
    Fault.CLOCK_AHEAD: _skewed(_SKEW),
    Fault.CLOCK_BEHIND: _skewed(-_SKEW),
}
"""What becomes of a good answer."""
