"""Answers about children, on disk until they are committed, so that no parent is asked for twice.

The staging of an import ends with it, whatever ends it. These files stay: the next import of the source takes
them over, as long as the parents are still of the versions that were read.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from pipedrive_orchestration.files import make_private_folder
from pipedrive_orchestration.importing.context import ImportContext
from pipedrive_orchestration.importing.staging import PageCounts, StagingError
from pipedrive_orchestration.warehouse.ledger import CLOCK_TOLERANCE
from pipedrive_orchestration.warehouse.parents import ParentReading, ParentState

KEPT_FOR = timedelta(days=1)
"""The age at which an answer is not taken over any more."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read of some parents, in full.

    Attributes:
        readings: the parents; none where they could not be read.
        lines: their children, one per line.
        counts: how many pages and records that were.
        parent: the parent's id, where its children do not say it.
        name: of its files.
    """

    readings: tuple[ParentReading, ...]
    lines: bytes
    counts: PageCounts
    parent: str | None = None
    name: str = field(default_factory=lambda: uuid.uuid4().hex)


class KeptAnswers:
    """The answers of one source that are not committed yet. A context manager that holds their folder's lock.

    Where another import of the source holds it, nothing is kept.
    """

    def __init__(self, folder: Path, reading: Mapping[str, str], now: datetime) -> None:
        self._folder = folder
        self._reading = dict(reading)
        self._now = now
        self._lock = FileLock(folder.with_suffix(".lock"), thread_local=False)
        self._is_ours = False

    @classmethod
    def of(cls, context: ImportContext) -> Self:
        """The kept answers of the source that is imported."""
        request = context.request
        reading = {
            "definition": context.definition.fingerprint,
            "signature": request.connection.signature,
            "parents": str(request.source.parents),
        }
        return cls(request.staging / f"answers-{request.source.slug}", reading, request.started_at)

    def __enter__(self) -> Self:
        try:
            make_private_folder(self._folder)
            self._lock.acquire(timeout=0)
            self._is_ours = True
        except Timeout:
            pass
        except OSError as error:
            raise StagingError(self._folder, error.strerror or str(error)) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_ours:
            self._lock.release()

    def leftovers(self, asked: Mapping[str, ParentState]) -> Iterator[Answer]:
        """The answers of imports that ended early, as far as they are about parents that are asked for.

        What is of no use any more is removed.
        """
        if not self._is_ours:
            return
        for path in sorted(self._folder.glob("*.json")):
            answer = self._read(path)
            if answer is not None and all(_is_asked(each, asked) for each in answer.readings):
                yield answer
            else:
                self._remove(path.stem)
        for path in self._folder.glob("*.ndjson"):
            if not path.with_suffix(".json").exists():
                path.unlink(missing_ok=True)

    def keep(self, answer: Answer) -> None:
        """Write an answer down.

        Raises:
            StagingError: it cannot be written.
        """
        if not self._is_ours or not answer.readings:
            return
        said = {
            **self._reading,
            "parent": answer.parent,
            "counts": [answer.counts.pages, answer.counts.records, answer.counts.longest],
            "bytes": len(answer.lines),
            "readings": [
                [each.id, each.version and each.version.isoformat(), each.counted, each.read_at.isoformat()]
                for each in answer.readings
            ],
        }
        try:
            (self._folder / f"{answer.name}.ndjson").write_bytes(answer.lines)
            # What it is about comes last: only then it counts. What a crash tears is not taken over.
            (self._folder / f"{answer.name}.json").write_text(json.dumps(said))
        except OSError as error:
            raise StagingError(self._folder, error.strerror or str(error)) from error

    def forget(self, answers: Iterable[Answer]) -> None:
        """Remove answers that are committed."""
        if self._is_ours:
            for answer in answers:
                self._remove(answer.name)

    def _read(self, path: Path) -> Answer | None:
        try:
            said = json.loads(path.read_bytes())
            lines = path.with_suffix(".ndjson").read_bytes()
            if len(lines) != said["bytes"] or any(said[key] != self._reading[key] for key in self._reading):
                return None
            readings = tuple(
                ParentReading(
                    parent,
                    version and datetime.fromisoformat(version),
                    counted,
                    datetime.fromisoformat(read_at),
                )
                for parent, version, counted, read_at in said["readings"]
            )
            counts = PageCounts(*said["counts"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        since, until = self._now - KEPT_FOR, self._now + CLOCK_TOLERANCE
        if any(not since <= each.read_at <= until for each in readings):
            return None
        return Answer(readings, lines, counts, said["parent"], path.stem)

    def _remove(self, name: str) -> None:
        for suffix in (".json", ".ndjson"):
            (self._folder / f"{name}{suffix}").unlink(missing_ok=True)


def _is_asked(reading: ParentReading, asked: Mapping[str, ParentState]) -> bool:
    parent = asked.get(reading.id)
    # One that was too young when it was read has no version, and is read once more.
    return parent is not None and (parent.version, parent.counted) == (reading.version, reading.counted)
