"""Holds: sources whose first import waits because the token budget cannot pay for it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from pipedrive_orchestration.sources import old_files
from pipedrive_orchestration.sources.key_values import KeyValues


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a source's first import waits.

    Attributes:
        estimated_tokens: what the import will cost at most; None if nothing was left to find out.
        budget: tokens that were there to pay for it.
        until: when it ends by itself, by our clock in UTC; None if only somebody can end it.
    """

    estimated_tokens: int | None
    budget: int
    until: datetime | None = None

    def lasts(self, now: datetime) -> bool:
        """Whether the source still has to wait."""
        return self.until is None or now < self.until

    def __str__(self) -> str:
        cost = "tokens" if self.estimated_tokens is None else f"up to {self.estimated_tokens:,} tokens"
        alone = f"by itself after {self.until:%Y-%m-%d %H:%M} UTC, or " if self.until else ""
        return (
            f"The first import costs {cost} and {self.budget:,} may be spent. "
            f"It starts {alone}when the source is set active."
        )


class Holds:
    """The holds of a project, by source id.

    Args:
        key_values: where they are kept.
        project: a project folder in which version 0.1 may have left a file of them.
    """

    def __init__(self, key_values: KeyValues, project: Path) -> None:
        self._key_values = key_values
        self._project = project

    def read(self, source_ids: Collection[UUID]) -> dict[UUID, Hold]:
        """The holds of those sources that have one, also if it has ended.

        Raises:
            OldFileError: nothing is known of a source, and the file that version 0.1 has left cannot be read.
        """
        values = self._values(source_ids)
        if len(values) < len(set(source_ids)):
            left = old_files.holds(self._project)
            self._key_values.add({_key(id_): json.dumps(left[id_]) for id_ in source_ids if id_ in left})
            values = self._values(source_ids)
        return {id_: _hold(json.loads(value)) for id_, value in values.items() if value != _LIFTED}

    def place(self, source_id: UUID, hold: Hold) -> None:
        """Let the first import of a source wait."""
        self._key_values.put(_key(source_id), json.dumps(_fields(hold)))

    def lift(self, source_id: UUID) -> None:
        """Let a source wait no longer; nothing where it does not.

        Raises:
            OldFileError: as `read` says.
        """
        if source_id in self.read([source_id]):
            self._key_values.put(_key(source_id), _LIFTED)

    def _values(self, source_ids: Collection[UUID]) -> dict[UUID, str]:
        values = self._key_values.read([_key(id_) for id_ in source_ids])
        return {id_: values[_key(id_)] for id_ in source_ids if _key(id_) in values}


_LIFTED = ""
"""The value of a source that waits no longer, whatever an old file says."""


def _key(source_id: UUID) -> str:
    return f"hold/{source_id}"


def _hold(fields: Mapping[str, Any]) -> Hold:
    until = datetime.fromisoformat(fields["until"]).astimezone(UTC) if fields["until"] else None
    return Hold(fields["estimated_tokens"], fields["budget"], until)


def _fields(hold: Hold) -> dict[str, Any]:
    return {
        "estimated_tokens": hold.estimated_tokens,
        "budget": hold.budget,
        "until": hold.until.isoformat() if hold.until else None,
    }
