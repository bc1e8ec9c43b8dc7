"""When each slug was first seen.

It gives a hand-written source its instant of creation, on which its windows depend, and it keeps the slugs
of deleted sources taken.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from pipedrive_orchestration.sources import old_files
from pipedrive_orchestration.sources.key_values import KeyValues


class FirstSeen:
    """The instants, by slug.

    Args:
        key_values: where they are kept.
        project: a project folder in which version 0.1 may have left a file of them.
    """

    def __init__(self, key_values: KeyValues, project: Path) -> None:
        self._key_values = key_values
        self._project = project

    def read(self, slugs: Collection[str]) -> dict[str, datetime]:
        """The instants (UTC) of those slugs that have been seen."""
        values = self._key_values.read([_key(slug) for slug in slugs])
        return {
            slug: datetime.fromisoformat(values[_key(slug)]).astimezone(UTC)
            for slug in slugs
            if _key(slug) in values
        }

    def record(self, slugs: Collection[str], now: datetime) -> dict[str, datetime]:
        """Add the slugs that are new, and return the instants of all.

        Processes that see a slug at the same moment agree on one instant.

        Raises:
            OldFileError: a slug is new, and the file that version 0.1 has left cannot be read. Nothing was
                added.
        """
        seen = self.read(slugs)
        if len(seen) == len(set(slugs)):
            return seen
        instants = dict.fromkeys(slugs, now) | old_files.first_seen(self._project)
        self._key_values.add({_key(slug): instant.isoformat() for slug, instant in instants.items()})
        return self.read(slugs)

    def knows(self, slug: str) -> bool:
        """Whether the slug is or was that of a source.

        Raises:
            OldFileError: the file that version 0.1 has left cannot be read, and it might tell.
        """
        return bool(self.read([slug])) or slug in old_files.first_seen(self._project)


def _key(slug: str) -> str:
    return f"first_seen/{slug}"
