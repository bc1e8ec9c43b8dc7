"""What can be wrong with a project, each under a key that stays the same as long as it is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class TroubleKind(StrEnum):
    """The kinds of what can be wrong; their values are part of stored keys."""

    FAILED = "failed"
    """The last run of a source failed."""
    LATE = "late"
    """A tick has not brought its changes."""
    HELD = "held"
    """A first import waits for tokens."""
    EXPIRED = "expired"
    """The schedule has ended."""
    CLOSED = "closed"
    """The collection is closed to the account or its user."""
    SET_ASIDE = "set_aside"
    """Values did not fit their type."""
    DRIFTED = "drifted"
    """Properties are not what they were at Pipedrive."""
    BAD_FILE = "bad_file"
    """A file of the project is left out."""
    DATABASE = "database"
    """The database cannot be read."""
    PLAN_WAITS = "plan_waits"
    """A plan of a write waits for somebody to apply it."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong.

    Attributes:
        subject: whose trouble it is: the slug of a source or write, the path of a file.
        kind: of which kind it is.
        text: what it is and what to do about it, in a sentence or two.
        brief: the same for others to read: without anything that a record of the account may have said.
    """

    subject: str
    kind: TroubleKind
    text: str
    brief: str

    @property
    def key(self) -> str:
        """What stays the same from the beginning of a trouble to its end."""
        return f"{self.kind}/{self.subject}"
