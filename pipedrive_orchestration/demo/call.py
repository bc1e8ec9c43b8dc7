"""What an endpoint gets and what it gives back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.collection import Collection
from pipedrive_orchestration.demo.errors import ApiError, bad_request, not_found
from pipedrive_orchestration.demo.operations import Operation
from pipedrive_orchestration.demo.records import Record, RecordId


@dataclass(frozen=True, slots=True)
class Call:
    """One request, on its way to an endpoint.

    Attributes:
        account: the account it is about.
        operation: what is asked for.
        path: values of the path template's parameters.
        query: the operation's query parameters: those given, and the defaults of the others.
        content: the request's body.
    """

    account: Account
    operation: Operation
    path: Mapping[str, str]
    query: Mapping[str, Any] = field(default_factory=dict)
    content: bytes = b""

    @property
    def name(self) -> str:
        """The collection that the operation is about."""
        return self.operation.resource

    @property
    def collection(self) -> Collection:
        """Its records."""
        return self.account[self.name]

    @property
    def id(self) -> RecordId:
        """The id in the path.

        Raises:
            ApiError: 400 if it is no integer where ids are integers.
        """
        text = self.path["id"]
        if self.collection.schema.uuids:
            return text
        if not (text.isascii() and text.isdigit()):
            raise self.refusal("id: This value should be of type integer.")
        return int(text)

    def json(self) -> Any:
        """The body.

        Raises:
            ApiError: 400 if it is not JSON.
        """
        try:
            return orjson.loads(self.content)
        except orjson.JSONDecodeError:
            raise self.refusal("The request body is not valid JSON.") from None

    def record(self) -> Record:
        """The record that the path names, if need be a deleted one.

        Raises:
            ApiError: 404 if there is none, or none that still answers.
        """
        found, schema = self.collection.get(self.id), self.collection.schema
        if found is None or (schema.is_deleted(found) and not schema.deleted_answers):
            raise not_found(self.name)
        return found

    def refusal(self, *problems: str) -> ApiError:
        """The 400 that tells of these problems."""
        return bad_request(self.operation.version, problems)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a JSON body and its HTTP status."""

    body: bytes
    status: int = 200


def success(data: Any, status: int = 200, **more: Any) -> Answer:
    """An answer of the usual envelope; ``more`` are keys beside ``data``."""
    return Answer(orjson.dumps({"success": True, "data": data, **more}), status)


def success_encoded(data: bytes, status: int = 200, **more: Any) -> Answer:
    """The same for data that is JSON already."""
    return Answer(b'{"success":true,"data":%b%b}' % (data, _beside(more)), status)


def success_list(records: Iterable[bytes], **more: Any) -> Answer:
    """The same for a list of records that are JSON already."""
    parts = list(records) or [b""]
    parts[0] = b'{"success":true,"data":[' + parts[0]
    parts[-1] += b"]%b}" % _beside(more)
    return Answer(b",".join(parts))  # megabytes, so put together once


def _beside(more: Mapping[str, Any]) -> bytes:
    return b"".join(b',"%b":%b' % (key.encode(), orjson.dumps(value)) for key, value in more.items())
