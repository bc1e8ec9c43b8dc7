"""When each slug was first seen, kept beside the sources and never in the user's files.

It gives a hand-written source its instant of creation, and it remembers the slugs of deleted sources.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from pipedrive_orchestration.files import replace_content

FILE_NAME = ".first_seen.json"
_LOCK_TIMEOUT_SECONDS = 10.0


class FirstSeenError(ValueError):
    """The file is there and does not hold instants; it is left alone."""

    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(
            f"{path} cannot be read ({reason}). Until it can, hand-written sources count as created now. "
            "Restore the file, or delete it to let them be created anew."
        )


class FirstSeen:
    """The instants, shared by every process that works on the folder.

    Where the file cannot be written, an instant holds for as long as this object lives.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._lock = FileLock(f"{self.path}.lock", timeout=_LOCK_TIMEOUT_SECONDS)
        self._unwritten: dict[str, datetime] = {}

    def locked(self) -> AbstractContextManager[object]:
        """Excludes other processes and threads while slugs are chosen; the holder may still record.

        Raises:
            OSError: On entering: the folder cannot be written, or the lock was not free for 10 seconds.
        """
        return self._lock

    def read(self) -> dict[str, datetime]:
        """The instant of every slug seen so far, in UTC.

        Raises:
            FirstSeenError: As it says.
        """
        return self._unwritten | self._stored()

    def record(self, slugs: Iterable[str], now: datetime) -> dict[str, datetime]:
        """Adds the slugs that are new, and returns the instants of all.

        Raises:
            FirstSeenError: As it says.
        """
        seen = self.read()
        new = {slug: now for slug in slugs if slug not in seen}
        if not new:
            return seen
        try:
            with self.locked():
                stored = new | self._unwritten | self._stored()
                replace_content(self.path, _as_json(stored).encode(), mode=0o644)
        except OSError:
            self._unwritten |= new
            return self.read()
        return stored

    def _stored(self) -> dict[str, datetime]:
        try:
            content = json.loads(self.path.read_bytes())
            return {slug: _instant(text) for slug, text in content.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise FirstSeenError(self.path, error) from error


def _as_json(instants: dict[str, datetime]) -> str:
    return json.dumps({slug: instant.isoformat() for slug, instant in sorted(instants.items())}, indent=2)


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no offset")
    return instant.astimezone(UTC)
