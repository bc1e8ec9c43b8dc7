"""A client of the HTTP API that was written from docs/from-floqer.md alone."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import httpx

PERSONS: dict[str, Any] = {
    "object_type": "persons",
    "properties": ["name", "first_name", "email", "org_name"],
    "filters": {
        "operator": "AND",
        "conditions": [
            {"operator": "AND", "conditions": [{"variable": "email", "condition": "is_not_empty"}]}
        ],
    },
}


class CallFailedError(Exception):
    """A call that was not answered with success."""


@dataclass(frozen=True)
class HostedClient:
    """The calls of the page.

    Attributes:
        http: knows the base address and the key.
    """

    http: httpx.Client

    def _data(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, path, json=body) if body else self.http.request(method, path)
        content = answer.json()
        if answer.status_code >= 400 or content["status"] != answer.status_code:
            raise CallFailedError(f"{method} {path}: {answer.status_code} {answer.text}")
        return content["data"]

    def options(self, object_type: str) -> list[dict[str, Any]]:
        """The properties to choose from."""
        asked = {"context": {"object_type": object_type}}
        found = self._data("POST", "/sources/import_from_pipedrive/options/properties", asked)
        return list(found["options"])

    def preview(self, body: Any) -> Any:
        """Rows, and how many match."""
        return self._data("POST", "/sources/import_from_pipedrive/preview", body)

    def create(self, body: Any, **more: Any) -> str:
        """The id of a new source."""
        created = self._data("POST", "/sources/import_from_pipedrive", body | more)
        return str(created["source_instance_id"])

    def data(self, source_id: str, page_no: int = 1, page_size: int = 20) -> Any:
        """A page of rows."""
        return self._data("GET", f"/sources/{source_id}/data?page_no={page_no}&page_size={page_size}")

    def all_data(self, source_id: str, total: int, seconds: float) -> list[Any]:
        """All rows, as soon as so many have been imported."""
        deadline = time.monotonic() + seconds
        while self.data(source_id)["total_count"] < total:
            if time.monotonic() > deadline:
                raise TimeoutError(f"fewer than {total} rows after {seconds:.0f} s")
            time.sleep(0.1)
        pages = range(1, -(-total // 200) + 1)
        return [row for page in pages for row in self.data(source_id, page, 200)["rows"]]

    def workflows(self) -> list[Any]:
        """The workflows."""
        return list(self._data("GET", "/workflows"))

    def inputs(self, workflow: Any) -> dict[str, str]:
        """The references of a workflow's inputs, by name."""
        (sheet,) = workflow["sheets"]
        path = f"/workflows/{workflow['workflow_id']}/sheets/{sheet['sheet_id']}/inputs"
        return {one["name"]: one["reference"] for one in self._data("GET", path)["inputs"]}

    def sync(self, source_id: str, workflow: Any, field_mapping: dict[str, str]) -> Any:
        """What a sync has done."""
        body = {
            "workflow_id": workflow["workflow_id"],
            "field_mapping": {
                reference.strip("{}"): property_ for reference, property_ in field_mapping.items()
            },
            "push_existing": True,
            "run": "all",
        }
        return self._data("POST", f"/sources/{source_id}/sync", body)

    def set_status(self, source_id: str, status: str) -> str:
        """The status of a source, once it has been set."""
        return str(self._data("PATCH", f"/sources/{source_id}/status", {"status": status})["status"])
