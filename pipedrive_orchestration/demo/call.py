"""What an endpoint gets and what it gives back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.errors import bad_request, not_found


@dataclass(frozen=True, slots=True)
class Call:
    """One request, on its way to an endpoint.

    Attributes:
        account: the account it is about.
        version: ``v1`` or ``v2``.
        path: values of the path template's parameters.
        query: query parameters in the order given.
        content: the request's body.
    """

    account: Account
    version: str
    path: Mapping[str, str]
    query: tuple[tuple[str, str], ...] = ()
    content: bytes = b""

    @property
    def id(self) -> int:
        """The integer id in the path.

        Raises:
            ApiError: 400 if it is not one.
        """
        text = self.path["id"]
        if not (text.isascii() and text.isdigit()):
            raise bad_request(self.version, ["id: This value should be of type integer."])
        return int(text)

    def json(self) -> Any:
        """The body.

        Raises:
            ApiError: 400 if it is not JSON.
        """
        try:
            return orjson.loads(self.content)
        except orjson.JSONDecodeError:
            raise bad_request(self.version, ["The request body is not valid JSON."]) from None

    def record(self, name: str) -> dict[str, Any]:
        """The record of the collection that the path names, deleted ones included.

        Raises:
            ApiError: 404 if there is none.
        """
        found = self.account[name].get(self.id)
        if found is None:
            raise not_found()
        return found


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a JSON body and its HTTP status."""

    body: bytes
    status: int = 200


def success(data: Any, status: int = 200, **more: Any) -> Answer:
    """An answer of the usual envelope; ``more`` are keys beside ``data``."""
    return Answer(orjson.dumps({"success": True, "data": data, **more}), status)


def success_encoded(data: bytes, status: int = 200) -> Answer:
    """The same for data that is JSON already."""
    return Answer(b'{"success":true,"data":%b}' % data, status)


def page(records: Iterable[bytes], additional_data: dict[str, Any]) -> Answer:
    """A list of records that are JSON already."""
    return Answer(
        b'{"success":true,"data":[%b],"additional_data":%b}'
        % (b",".join(records), orjson.dumps(additional_data))
    )
