"""Bodies that the tests begin with."""

from typing import Any


def active_body(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": "Open deals",
        "object_type": "deals",
        "properties": ["title", "value", "d4de1c1518b4531717c676029a45911c340390a6"],
        "pull_mode": "active",
        "schedule": "*/30 * * * *",
    }
    return body | changes


def static_body(**changes: Any) -> dict[str, Any]:
    body = active_body(pull_mode="static") | changes
    if "schedule" not in changes:
        del body["schedule"]
    return body
