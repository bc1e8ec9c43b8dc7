"""The outcome of a change: what became of it at Pipedrive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """The states of a change."""

    PLANNED = "planned"
    """It has not been sent."""
    SENT = "sent"
    """It has been, or is about to be, and its outcome is not recorded."""
    DONE = "done"
    MOVED = "moved"
    """It was not made, since the record is not as it was when the change was planned."""
    REFUSED = "refused"
    """Pipedrive would not make it."""
    UNCERTAIN = "uncertain"
    """Something like it is there, and it cannot be told whether it is this; a person has to look."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a change.

    Attributes:
        status: what became of it.
        record_id: of the record, a new one's too.
        after: the values that the record has now, by the answer.
        request_id: Pipedrive's name for the request that made the change, where it is known.
        reason: why it was not made, or how it is known that it was.
        cost: its share, in tokens, of a request that made several; None where it had one of its own.
    """

    status: Status
    record_id: str | int | None = None
    after: Mapping[str, Any] = field(default_factory=dict)
    request_id: str | None = None
    reason: str | None = None
    cost: int | None = None
