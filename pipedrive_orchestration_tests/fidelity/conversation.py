"""Asks the demo account everything it can answer and keeps what it said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx

from pipedrive_orchestration.demo import OPERATIONS, DemoServer, Operation
from pipedrive_orchestration.demo.endpoints.children import LISTS
from pipedrive_orchestration_tests.fidelity.openapi import Document

PREFIXES = {"v1": "/v1", "v2": "/api/v2"}
REQUIRED = {
    "/recents": {"since_timestamp": "2000-01-01 00:00:00"},
    "/persons/search": {"term": "an"},
    "/organizations/search": {"term": "an"},
    "/itemSearch": {"term": "an"},
    "/deals/products": {"deal_ids": ",".join(map(str, range(1, 61)))},
    "/deals/installments": {"deal_ids": ",".join(map(str, range(1, 61)))},
    "/organizationRelationships": {"org_id": "1"},
    "/mailbox/mailThreads": {"folder": "inbox"},
    "/phases": {"board_id": "1"},
    "/goals/find": {"expected_outcome.tracking_metric": "quantity"},
    "/goals/{id}/results": {"period.start": "2026-01-01", "period.end": "2026-12-31"},
}
"""Parameters without which a list refuses to answer."""

RAW = {"/files/{id}/download"}
"""Operations whose answers are no JSON."""

_ONLY_SOME = {"/products/{id}/images"}
"""What not every record has."""

CHILDREN_CURSOR = "aWQ6MQ"
"""A cursor of lists of records below others, after the first of them."""

_SINGLES = 12
_LARGEST_PAGES = {"/itemSearch": 100, "/callLogs": 50, "/files": 100}
"""By path, where it is not the usual one."""
_LARGEST_PAGE = 500
_EVERY_STATUS = {"projects": "open,completed,canceled,deleted"}
"""By collection, where they are not those of deals."""


@dataclass(frozen=True)
class Exchange:
    """One answer and the operation it belongs to."""

    version: str
    method: str
    path: str
    status: int
    answer: Any


@dataclass
class Conversation:
    """Everything asked so far."""

    demo: DemoServer
    documents: dict[str, Document]
    exchanges: list[Exchange] = field(default_factory=list)

    def __post_init__(self) -> None:
        headers = {"x-api-token": self.demo.token}
        self._http = httpx.Client(base_url=self.demo.url, headers=headers, verify=False)

    def ask(
        self,
        method: str,
        version: str,
        path: str,
        *,
        values: dict[str, Any] | None = None,
        parameters: dict[str, Any] | None = None,
        body: Any = None,
        form: dict[str, Any] | None = None,
        upload: tuple[str, bytes] | None = None,
    ) -> Any:
        """Send a request that has to succeed; returns the ``data`` of the answer.

        Args:
            method: HTTP method.
            version: ``v1`` or ``v2``.
            path: template as in the OpenAPI file.
            values: what stands in the template's braces.
            parameters: query parameters.
            body: JSON body.
            form: body of a form instead, and with a file one of several parts.
            upload: that file's name and content.
        """
        url = PREFIXES[version] + path.format_map(values or {})
        files = {"file": upload} if upload else None
        response = self._http.request(method, url, params=parameters, json=body, data=form, files=files)
        answer = response.json()
        assert response.is_success, f"{method} {url} {parameters}: {response.status_code} {answer}"
        self.exchanges.append(Exchange(version, method, path, response.status_code, answer))
        return answer.get("data")

    def listed(self, version: str, path: str) -> list[dict[str, Any]]:
        """The records of a list when it was first read."""
        first = next(e for e in self.exchanges if (e.version, e.method, e.path) == (version, "GET", path))
        records: list[dict[str, Any]] = first.answer["data"]
        return records

    def above(self, operation: Operation) -> list[dict[str, Any]]:
        """The records of the list above an operation, such as the deals above one of a deal."""
        path = operation.path.rpartition("/{")[0]
        if path == "/goals":
            goals: list[dict[str, Any]] = self._data_of("/goals/find")["goals"]
            return goals
        records: list[dict[str, Any]] = self._data_of(path) if path else [{}]
        return records

    def _data_of(self, path: str) -> Any:
        return next(e.answer["data"] for e in self.exchanges if (e.method, e.path) == ("GET", path))

    def cursor(self, operation: Operation) -> str:
        """A cursor that the list gives out after its first record."""
        if operation.path in LISTS:
            return CHILDREN_CURSOR
        parameters = {"limit": "1"} | REQUIRED.get(operation.path, {})
        response = self._http.get(PREFIXES["v2"] + operation.path, params=parameters)
        return str(response.json()["additional_data"]["next_cursor"])

    def status(self, operation: Operation, values: dict[str, Any], parameters: dict[str, Any]) -> int:
        """The HTTP status of a request that may fail, which is not kept."""
        url = PREFIXES[operation.version] + operation.path.format_map(values)
        return self._http.request(operation.method, url, params=parameters).status_code

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def read_everything(self) -> None:
        """Read every list with all it can include, and single records of each."""
        for operation in OPERATIONS:
            if operation.method == "GET" and "{" not in operation.path:
                self._read_list(operation)
        for operation in OPERATIONS:
            if operation.method == "GET" and operation.path.endswith("}"):
                continue
            if operation.method == "GET" and "{id}/" in operation.path and operation.path not in RAW:
                self._read_below(operation)

    def _read_list(self, operation: Operation) -> None:
        for parameters in self._variants(operation):
            data = self.ask("GET", operation.version, operation.path, parameters=parameters)
        one = next((r for r in OPERATIONS if r.method == "GET" and _is_single_of(r, operation)), None)
        if one is not None:
            for record in data[:_SINGLES]:
                self._read_one(one, record)

    def _read_below(self, operation: Operation) -> None:
        for record in self.above(operation)[:_SINGLES]:
            for parameters in self._variants(operation):
                values = {"id": record["id"]}
                if operation.path in _ONLY_SOME and self.status(operation, values, parameters) == 404:
                    continue
                self.ask("GET", operation.version, operation.path, values=values, parameters=parameters)

    def _read_one(self, operation: Operation, record: dict[str, Any]) -> None:
        values = {"id": record.get("id"), "field_code": record.get("field_code")}
        for parameters in self._variants(operation):
            self.ask("GET", operation.version, operation.path, values=values, parameters=parameters)

    def _variants(self, operation: Operation) -> Iterable[dict[str, Any]]:
        """Plain, and with everything switched on."""
        known = self.documents[operation.version].operation(operation.method, operation.path)
        everything: dict[str, Any] = {
            "include_fields": ",".join(sorted(known.includable)),
            "include_option_labels": "true",
            "include_labels": "true",
            "limit": _LARGEST_PAGES.get(operation.path, _LARGEST_PAGE),
            "status": _EVERY_STATUS.get(operation.resource, "open,won,lost,deleted"),
        }
        plain = REQUIRED.get(operation.path, {})
        full = {name: value for name, value in everything.items() if name in known.parameters}
        return [plain | full, plain] if full else [plain]


def _is_single_of(candidate: Operation, operation: Operation) -> bool:
    parents = {operation.path + "/{id}", operation.path + "/{field_code}"}
    return candidate.version == operation.version and candidate.path in parents
