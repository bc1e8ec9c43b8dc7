"""The example answers of Pipedrive's OpenAPI files, as what an account with just these records says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.pipedrive.object_types import Bounds, Entries, ObjectType
from pipedrive_orchestration_tests.fidelity.openapi import Document, folder
from pipedrive_orchestration_tests.importing.canned import Reply, page

FOLDER = folder()


@dataclass
class Example:
    """Records that some operations answer with.

    Attributes:
        body: the list answer they come in; single records are wrapped into one.
        operations: the operations of that example, such as ``GET /deals``.
    """

    object_type: ObjectType
    body: dict[str, Any]
    operations: list[str]

    @property
    def records(self) -> list[dict[str, Any]]:
        data, records = self.body["data"], self.object_type.records
        if isinstance(records, Entries):
            return [{records.name: name, records.value: value} for name, value in data.items()]
        found: list[dict[str, Any]] = data[records] if records else data
        return found

    @property
    def archived(self) -> bool:
        return any("/archived" in operation for operation in self.operations)

    def replies(self) -> dict[str, Reply]:
        """What the account answers: these records, in the list they belong to, and the example's fields."""
        if self.object_type.bounds is Bounds.ORDER:
            # Nothing but its number tells the next page from this one, and there is none.
            self.body["additional_data"] = {"pagination": {"more_items_in_collection": False}}
        list_path = self.object_type.archived_path if self.archived else self.object_type.path
        replies = {str(list_path): page(self.body)}
        if self.object_type.parents is not None:
            replies[self.object_type.parents.path] = page({"success": True, "data": [{"id": 1}]})
        if self.object_type.fields_path:
            replies[self.object_type.fields_path] = page(fields_example(self.object_type))
        return replies


@cache
def _document(version: str) -> Document:
    return Document(FOLDER / f"{version}.yaml")


def operations(version: str, path: str) -> dict[str, Any]:
    """The operations of a path; none where the file does not have it."""
    document = _document(version)
    return document.of_path(path) if path in document else {}


def _answers(version: str, path: str) -> Iterator[tuple[str, Any]]:
    for method, operation in operations(version, path).items():
        if method not in ("get", "post", "put", "patch", "delete"):
            continue
        for status, response in operation["responses"].items():
            content = response.get("content", {}).get("application/json", {})
            named: list[Any] = [entry["value"] for entry in content.get("examples", {}).values()]
            given: list[Any] = [content["example"]] if "example" in content else []
            for example in [*given, *named]:
                if str(status).startswith("2"):
                    yield f"{method.upper()} {path}", example


def fields_example(object_type: ObjectType) -> Any:
    """The example of the collection's field list."""
    assert object_type.fields_path is not None
    path = object_type.fields_path.removeprefix("/api/v2")
    return next(example for operation, example in _answers("v2", path) if operation.startswith("GET"))


def examples() -> list[Example]:
    """Every distinct example of records of an importable collection, reading and writing operations alike."""
    listed = [object_type for object_type in BUILT_IN.values() if object_type.parent is None]
    return [example for object_type in listed for example in examples_of(object_type)]


def examples_of(object_type: ObjectType) -> list[Example]:
    """Those of one collection."""
    root = object_type.path.removeprefix("/api/v2").removeprefix("/v1")
    distinct: dict[str, Example] = {}
    for path in (root, f"{root}/archived", f"{root}/{{id}}", f"{root}/{{id}}/duplicate"):
        for operation, answer in _answers(object_type.version, path):
            data = answer.get("data")
            is_list = isinstance(data, list) or (object_type.records and path == root)
            example = Example(object_type, answer if is_list else {"success": True, "data": [data]}, [])
            if not all(
                isinstance(record, dict) and _is_id(record.get(object_type.id_key))
                for record in example.records
            ):
                continue
            key = json.dumps(example.records, default=str, sort_keys=True)
            distinct.setdefault(key, example).operations.append(operation)
    return list(distinct.values())


def _is_id(value: Any) -> bool:
    # DELETE /filters answers with a list of ids, which is no record.
    return isinstance(value, int | str)


def recents_example() -> Any:
    """The example of ``/recents``: an activity and a deal as v1 writes them."""
    return next(example for _, example in _answers("v1", "/recents"))
