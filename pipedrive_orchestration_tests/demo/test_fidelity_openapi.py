"""The demo account, and the table of what we write, held against Pipedrive's official OpenAPI files.

The files are not part of the project. They are looked for beside the checkout, in
``../shared/pipedrive/openapi``, or where ``PIPEDRIVE_OPENAPI`` says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from pipedrive_orchestration.demo import OPERATIONS, Operation, Settings, running_demo
from pipedrive_orchestration.demo.bodies import BODIES, model_of
from pipedrive_orchestration.demo.operations import RETIRED, Paging
from pipedrive_orchestration.pipedrive.requests import (
    ARCHIVE_COST,
    CONVERSION_COST,
    CONVERSION_STATUS_COST,
    CONVERTED,
    MERGE_COST,
    MERGED,
    WRITABLE,
    BodyForm,
    WritableType,
    WriteOperation,
    archive_path,
    conversion_path,
    conversion_status_path,
    merge_path,
)
from pipedrive_orchestration.writing.values import KINDS
from pipedrive_orchestration_tests.chaos.sizes import FULL
from pipedrive_orchestration_tests.fidelity.changes import change_everything
from pipedrive_orchestration_tests.fidelity.conversation import RAW, REQUIRED, Conversation, Exchange
from pipedrive_orchestration_tests.fidelity.openapi import Document, Violation, folder
from pipedrive_orchestration_tests.fidelity.openapi import Operation as FileOperation
from pipedrive_orchestration_tests.fidelity.spec_errors import SPEC_ERRORS
from pipedrive_orchestration_tests.writing import actions_table

BORN = datetime(2026, 11, 21, 12, tzinfo=UTC)
UUID = "0b9f0a3e-6a52-4f0e-9a58-0f8f3a4f1d11"

VALID_VALUES = {
    "ids": "1,2",
    "deal_ids": "1,2",
    "visible": "true",
    "folder": "inbox",
    "status": "open",
    "updated_since": "2026-01-01T00:00:00Z",
    "updated_until": "2026-01-01T00:00:00Z",
    "since_timestamp": "2026-11-01 00:00:00",
    "sort_by": "id",
    "sort_direction": "desc",
    "sort": "id",
    "include_option_labels": "true",
    "include_labels": "true",
    "include_field_code": "true",
    "done": "true",
    "lead_id": UUID,
    "start_date": "2026-01-01",
    "end_date": "2026-02-01",
    "items": "deal",
    "type": "deals",
    "term": "EUR",
    "fields": "name",
    "exact_match": "true",
    "item_types": "deal",
    "search_for_related_items": "true",
    "is_done": "true",
    "is_milestone": "true",
    "is_active": "true",
    "app": "sales",
    "order_by": "id",
    "type.name": "deals_won",
    "assignee.type": "company",
    "expected_outcome.tracking_metric": "sum",
    "period.start": "2026-01-01",
    "period.end": "2026-12-31",
}
"""A value that suits the parameter wherever it is accepted; any other parameter takes ``1``."""

FILTER_TYPES = {
    "deals": "deals",
    "persons": "people",
    "organizations": "org",
    "activities": "activity",
    "products": "products",
    "leads": "leads",
    "projects": "projects",
}
PAGED = {operation.path for operation in OPERATIONS if operation.paging is Paging.CURSOR}
FIELD_LISTS = {
    "deals": "/dealFields",
    "persons": "/personFields",
    "organizations": "/organizationFields",
    "products": "/productFields",
}


STRANGE = 20
"""Of so many parameters that an operation does not have, one is tried."""


@pytest.fixture(scope="module")
def documents() -> dict[str, Document]:
    paths = {
        "v1": folder() / "v1.yaml",
        "v2": folder() / "v2.yaml",
        "v1 before removal": folder() / "v1-before-removal-2026-01-14.yaml",
    }
    missing = [str(path) for path in paths.values() if not path.is_file()]
    if missing:
        pytest.skip(f"no OpenAPI files at {', '.join(missing)}: set PIPEDRIVE_OPENAPI to their folder")
    return {name: Document(path) for name, path in paths.items()}


@pytest.fixture(scope="module")
def conversation(documents: dict[str, Document]) -> Iterator[Conversation]:
    """Everything read, then everything changed, then everything read again."""
    with running_demo(Settings(scale=0.02, burst=0, born=BORN)) as demo:
        talk = Conversation(demo, documents)
        talk.read_everything()
        change_everything(talk)
        talk.read_everything()
        yield talk
        talk.close()


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.version} {operation.path}"


def differences(exchange: Exchange, documents: dict[str, Document]) -> set[tuple[str, Violation]]:
    """What is wrong with one answer, by operation; list and single paths are written alike."""
    operation = documents[exchange.version].operation(exchange.method, exchange.path)
    name = f"{exchange.version} {exchange.path.split('/')[1]}"
    return {
        (name, Violation(found.path.replace("data[]", "data", 1), found.kind))
        for found in operation.violations(exchange.status, exchange.answer)
    }


def test_every_route_was_asked_and_answered_with_records(conversation: Conversation) -> None:
    asked = {(exchange.method, exchange.version, exchange.path) for exchange in conversation.exchanges}
    answering = [operation for operation in OPERATIONS if operation.path not in RAW]
    assert asked == {(operation.method, operation.version, operation.path) for operation in answering}
    filled = {exchange.path for exchange in conversation.exchanges if exchange.answer.get("data")}
    assert filled == {operation.path for operation in answering} - WITHOUT_DATA


def test_answers_differ_from_the_files_exactly_where_these_are_known_to_be_wrong(
    conversation: Conversation, documents: dict[str, Document]
) -> None:
    found = {difference for e in conversation.exchanges for difference in differences(e, documents)}
    known = {difference for error in SPEC_ERRORS for difference in error.violations()}
    assert sorted(found - known) == [], "answers that no file allows"
    assert sorted(known - found) == [], "entries of SPEC_ERRORS that nothing needs"


def test_no_known_error_is_listed_twice() -> None:
    listed = [difference for error in SPEC_ERRORS for difference in error.violations()]
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
def test_the_table_of_operations_says_what_the_file_says(
    operation: Operation, documents: dict[str, Document]
) -> None:
    known = documents[operation.version].operation(operation.method, operation.path)
    assert operation.tokens == known.tokens
    assert set(operation.scopes) == known.scopes
    parameters = {parameter.name: parameter for parameter in operation.parameters}
    assert parameters.keys() == known.parameters
    assert {name for name, parameter in parameters.items() if parameter.required} == known.required
    for name, parameter in parameters.items():
        if parameter.choices and name in known.choices:
            assert set(parameter.choices) == known.choices[name]
    pages = {Paging.CURSOR: {"limit", "cursor"}, Paging.OFFSET: {"limit", "start"}}
    paging = operation.paging or Paging.WHOLE
    assert known.parameters & {"limit", "cursor", "start"} == pages.get(paging, set())


WITHOUT_DATA = {"/webhooks/{id}"}
"""Paths of which no answer has data."""

BODY_DIFFERENCES = {
    ("deals", "channel_id"): "taken although the file does not know it",
    ("activities", "outcome"): "added after this copy of the file was made",
    ("activities", "person_id"): "read-only: it follows from the participants",
}
"""Keys of bodies in which file and demo account differ, and why the account is right."""

OF_WHAT_WAS_MADE = {
    "/deals/{id}/convert/status/{conversion_id}",
    "/leads/{id}/convert/status/{conversion_id}",
    "/notes/{id}/comments/{commentId}",
}
"""Paths of records that no list shows; none takes a parameter."""

WRITES = [
    one
    for one in OPERATIONS
    if one.method in {"POST", "PUT", "PATCH"} and one.subpath in {"", "/{id}", "/{field_code}"}
]


@pytest.mark.parametrize("operation", WRITES, ids=name_of)
def test_bodies_hold_the_keys_of_the_file(operation: Operation, documents: dict[str, Document]) -> None:
    known = documents[operation.version].operation(operation.method, operation.path).body
    model = model_of(BODIES[operation.resource], new=operation.method == "POST")
    differing = {key for name, key in BODY_DIFFERENCES if name == operation.resource}
    assert model.model_fields.keys() ^ known.keys() == differing
    required = {key for key, field in model.model_fields.items() if field.is_required()}
    assert {key for key, is_required in known.items() if is_required} <= required


@pytest.mark.parametrize(
    "operation",
    [one for one in OPERATIONS if one.method == "GET" and one.path not in OF_WHAT_WAS_MADE],
    ids=name_of,
)
def test_the_parameters_accepted_are_those_of_the_file(
    operation: Operation, conversation: Conversation, documents: dict[str, Document]
) -> None:
    known = documents[operation.version].operation(operation.method, operation.path).parameters
    others = sorted(_everywhere(documents) - known)
    # All of them with `make chaos`; else each is refused by some operation or other.
    strange = others if FULL else others[OPERATIONS.index(operation) % STRANGE :: STRANGE]
    path_values, values = (
        _path_values(operation, conversation),
        _valid_values(operation, conversation, documents),
    )
    required = REQUIRED.get(operation.path, {})
    accepted = {
        name
        for name in {*known, *strange, "no_such_parameter"}
        if conversation.status(operation, path_values, required | {name: values.get(name, "1")}) == 200
    }
    assert accepted == known


def _everywhere(documents: dict[str, Document]) -> set[str]:
    """The parameters of all operations."""
    return {
        name
        for other in OPERATIONS
        for name in documents[other.version].operation(other.method, other.path).parameters
    }


def _path_values(operation: Operation, conversation: Conversation) -> dict[str, object]:
    """Ids of a record that the operation can show: the first of the list above it."""
    record = conversation.above(operation)[0]
    return {"id": record.get("id"), "field_code": record.get("field_code")}


def _valid_values(
    operation: Operation, conversation: Conversation, documents: dict[str, Document]
) -> dict[str, str]:
    """For each parameter a value that the operation takes if it takes the parameter at all."""
    values = VALID_VALUES | {
        "cursor": conversation.cursor(operation if operation.path in PAGED else OPERATIONS[0])
    }
    includable = documents[operation.version].operation(operation.method, operation.path).includable
    if includable:
        values["include_fields"] = min(includable)
    name = operation.path.split("/")[1]
    for stored in conversation.listed("v1", "/filters"):
        if stored["type"] == FILTER_TYPES.get(name):
            values["filter_id"] = str(stored["id"])
    if name in FIELD_LISTS:
        fields = conversation.listed("v2", FIELD_LISTS[name])
        values["custom_fields"] = next(f["field_code"] for f in fields if f["is_custom_field"])
    return values


def test_retired_operations_are_those_that_were_taken_out_of_the_file(documents: dict[str, Document]) -> None:
    gone = documents["v1 before removal"].operations - documents["v1"].operations
    assert {(method, without_names(path)) for method, path in RETIRED} == {
        (method, without_names(path)) for method, path in gone
    }


def without_names(path: str) -> str:
    return re.sub(r"{\w+}", "{}", path)


NOT_IN_THE_FILE = {
    ("activities", "outcome"): "added after this copy of the file was made",
}
"""Keys that the file does not know."""

NEVER_WRITTEN = {
    ("activities", "person_id"): "read-only: it follows from the participants",
}
"""Keys of the file that are not written."""

WRITE_OPERATIONS = [
    (writable, operation)
    for writable in WRITABLE.values()
    for operation in (writable.create, writable.update, writable.delete)
    if operation is not None
]


@pytest.mark.parametrize(
    ("writable", "operation"), WRITE_OPERATIONS, ids=lambda case: getattr(case, "name", None) or case.method
)
def test_the_table_of_writes_says_what_the_file_says(
    writable: WritableType, operation: WriteOperation, documents: dict[str, Document]
) -> None:
    path = writable.path.removeprefix("/api/v2").removeprefix("/v1")
    is_single = operation.method != "POST" and not operation.is_at_collection
    known = described(documents[writable.version], operation.method, f"{path}/{{}}" if is_single else path)
    assert operation.cost == known.tokens
    assert set(writable.scopes) <= known.scopes
    if operation.method == "DELETE":
        return
    is_new = operation.method == "POST"
    taken = {key.key: key for key in writable.keys if (key.in_creation if is_new else key.in_change)}
    ours = taken.keys() - {key for name, key in NOT_IN_THE_FILE if name == writable.name}
    theirs = (
        known.body.keys() - {key for name, key in NEVER_WRITTEN if name == writable.name} - {"custom_fields"}
    )
    # In a list of one, the object says which it is.
    assert ours == theirs - ({"id"} if operation.form is BodyForm.LIST else set())
    required = {key for key, is_required in known.body.items() if is_required} & ours
    assert required <= {key.key for key in writable.keys if (key.required if is_new else key.always)}


def test_the_requests_that_make_several_changes_are_those_of_the_files(
    documents: dict[str, Document],
) -> None:
    named = {}
    for _, _, request, tokens, *_ in actions_table.bulk_rows():
        method, _, path = request.strip("`").partition(" ")
        named[method, without_names(path.removesuffix("?ids="))] = int(tokens)
    known = {
        (method, without_names(prefix + path)): document.operation(method, path).tokens
        for prefix, document in (("/v1", documents["v1"]), ("/api/v2", documents["v2"]))
        for method, path in document.operations
        if method != "GET" and document.says_several(method, path)
    }
    assert named == known


def described(document: Document, method: str, path: str) -> FileOperation:
    """The operation of a path, whatever its parameters are called there."""
    template = next(
        known for a_method, known in document.operations
        if a_method == method and without_names(known) == without_names(path)
    )  # fmt: skip
    return document.operation(method, template)


@pytest.mark.parametrize("writable", WRITABLE.values(), ids=lambda writable: writable.name)
def test_a_record_is_read_at_the_price_of_the_file(
    writable: WritableType, documents: dict[str, Document]
) -> None:
    path = writable.path.removeprefix("/api/v2").removeprefix("/v1") + "/{}"
    document = documents[writable.version]
    offered = ("GET", without_names(path)) in {(m, without_names(p)) for m, p in document.operations}
    assert writable.get_cost == (described(document, "GET", path).tokens if offered else 0)


@pytest.mark.parametrize("writable", WRITABLE.values(), ids=lambda writable: writable.name)
def test_every_kind_of_value_can_be_written(writable: WritableType) -> None:
    assert {key.kind for key in writable.keys} <= KINDS


@pytest.mark.parametrize("name", sorted(MERGED))
def test_a_merge_has_the_path_and_price_of_the_file(name: str, documents: dict[str, Document]) -> None:
    path = merge_path(WRITABLE[name], "{id}").removeprefix("/v1")
    known = documents["v1"].operation("PUT", path)
    assert (known.tokens, known.body) == (MERGE_COST, {"merge_with_id": True})


@pytest.mark.parametrize("name", sorted(CONVERTED))
def test_a_conversion_has_the_path_and_price_of_the_file(name: str, documents: dict[str, Document]) -> None:
    path = conversion_path(WRITABLE[name], "{}").removeprefix("/api/v2")
    assert described(documents["v2"], "POST", path).tokens == CONVERSION_COST
    path = conversion_status_path(WRITABLE[name], "{}", "{}").removeprefix("/api/v2")
    assert described(documents["v2"], "GET", path).tokens == CONVERSION_STATUS_COST


def test_the_archiving_of_a_project_has_the_path_and_price_of_the_file(
    documents: dict[str, Document],
) -> None:
    path = archive_path("{}").removeprefix("/api/v2")
    assert described(documents["v2"], "POST", path).tokens == ARCHIVE_COST
