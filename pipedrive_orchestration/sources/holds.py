"""Holds: sources whose first import waits because the token budget cannot pay for it.

They are kept beside the sources, so that whoever launches imports sees them without asking anyone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from filelock import FileLock

from pipedrive_orchestration.files import replace_content

FILE_NAME = ".holds.json"
_LOCK_TIMEOUT_SECONDS = 10.0


class HoldsError(ValueError):
    """The file is there and does not hold holds; it is left alone."""

    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(
            f"{path} cannot be read ({reason}). It says which sources wait for tokens: restore it, or delete "
            "it to let all of them be imported."
        )


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a source's first import waits.

    Attributes:
        estimated_tokens: what the import will cost at most; None if nothing was left to find out.
        budget: tokens that were there to pay for it.
        until: when it ends by itself (UTC); None if only somebody can end it.
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
    """The holds of a project folder, by source id, shared by every process that works on it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._lock = FileLock(f"{self.path}.lock", timeout=_LOCK_TIMEOUT_SECONDS)

    def read(self) -> dict[UUID, Hold]:
        """All holds, those that have ended included.

        Raises:
            HoldsError: As it says.
        """
        try:
            return {UUID(key): _hold(entry) for key, entry in json.loads(self.path.read_bytes()).items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise HoldsError(self.path, error) from error

    def place(self, source_id: UUID, hold: Hold) -> None:
        """Lets the first import of a source wait.

        Raises:
            HoldsError: As it says.
            OSError: The folder cannot be written.
        """
        self._change(lambda holds: {**holds, source_id: hold})

    def lift(self, source_id: UUID) -> None:
        """Lets a source wait no longer; nothing where it does not.

        Raises:
            HoldsError: As it says.
            OSError: The folder cannot be written.
        """
        if source_id in self.read():
            self._change(lambda holds: {key: hold for key, hold in holds.items() if key != source_id})

    def _change(self, changed: Callable[[dict[UUID, Hold]], Mapping[UUID, Hold]]) -> None:
        with self._lock:
            replace_content(self.path, _as_json(changed(self.read())).encode(), mode=0o644)


def _hold(entry: Mapping[str, Any]) -> Hold:
    until = datetime.fromisoformat(entry["until"]).astimezone(UTC) if entry["until"] else None
    estimated = entry["estimated_tokens"]
    return Hold(None if estimated is None else int(estimated), int(entry["budget"]), until)


def _as_json(holds: Mapping[UUID, Hold]) -> str:
    entries = {
        str(source_id): {
            "estimated_tokens": hold.estimated_tokens,
            "budget": hold.budget,
            "until": hold.until.isoformat() if hold.until else None,
        }
        for source_id, hold in holds.items()
    }
    return json.dumps(entries, indent=2, sort_keys=True)
