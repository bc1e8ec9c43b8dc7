"""Contents: what files hold, kept in a folder beside the warehouse where a source asks for it.

Each content is read once, streamed to disk, and has its name when it is whole. What a crash leaves without
a row in the ledger is taken over; what the ledger has and the folder has not is read again.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from pipedrive_orchestration.files import make_private_folder
from pipedrive_orchestration.importing.context import ImportContext
from pipedrive_orchestration.pipedrive.errors import BudgetSpent, PipedriveError, Refused, Unavailable
from pipedrive_orchestration.warehouse import contents
from pipedrive_orchestration.warehouse.contents import Content, Holder

FOLDER = "files"
"""The folder beside the warehouse in which contents are kept, by source."""

MOST_BYTES = 100 * 1024 * 1024
"""The longest content that is kept."""

RETRIED_AFTER = timedelta(days=7)
"""The time after which a content is asked for again that could not be had."""

CONTENTS_PER_COMMIT = 50

MOST_OF_NAME = 80
"""Characters of a name that are kept, so that no file system finds it too long."""


class TooLong(PipedriveError):
    """A content is longer than what is kept."""


@dataclass(slots=True)
class _FileSink:
    """A file that a content is written into, and what is known of it."""

    path: Path
    file: BinaryIO | None = None
    length: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def begin(self) -> None:
        """Begin the file anew."""
        self.close()
        self.file, self.length, self.digest = self.path.open("wb"), 0, hashlib.sha256()
        self.path.chmod(0o600)

    def take(self, part: bytes) -> None:
        """Write the next part.

        Raises:
            TooLong: it is more than is kept.
        """
        assert self.file is not None
        self.length += len(part)
        if self.length > MOST_BYTES:
            raise TooLong(_too_long(self.length))
        self.digest.update(part)
        self.file.write(part)

    def close(self) -> None:
        """Close the file, if it is open."""
        if self.file is not None:
            self.file.close()
            self.file = None


def safe_name(record_id: str, name: str | None) -> str:
    """A name that every file system takes, and no other record has.

    The id stands first, so names that some systems reserve, or that differ in nothing but case, do no harm.
    """
    text = unicodedata.normalize("NFC", name or "")
    text = re.sub(r"[^\w.()+-]+", "_", text).strip("._")
    stem, dot, ending = text.rpartition(".")
    if dot and len(ending) <= 10:
        text = f"{stem[: MOST_OF_NAME - len(ending) - 1]}.{ending}"
    # A character can take four bytes, and a name 255.
    text = text[:MOST_OF_NAME].encode()[:200].decode(errors="ignore")
    return f"{record_id}-{text}" if text else record_id


class ContentKeeper:
    """Keeps what the current rows of a source hold."""

    def __init__(self, context: ImportContext) -> None:
        self._context = context
        self._root = context.warehouse.folder / FOLDER
        self._folder = self._root / context.source.slug
        self._kept: list[Content] = []

    async def keep(self) -> list[str]:
        """Read what is not kept yet, and remove what is gone where the source says so.

        Returns:
            What a reader of the import should know.

        Raises:
            WarehouseError: the database cannot be opened or written.
        """
        context, slug = self._context, self._context.source.slug
        try:
            make_private_folder(self._folder)
        except OSError as error:
            return [_unwritable(self._folder, error)]
        holders, known = await asyncio.to_thread(self._read)
        wanted = [one for one in holders if one.is_current and not self._is_settled(one, known)]
        gone = self._remove_gone(holders, known) if context.source.options.on_leave == "delete" else []
        notes: list[str] = []
        if wanted:
            tokens = len(wanted) * context.object_type.content_cost
            notes.append(f"contents of {len(wanted):,} {slug} are to be read, for up to {tokens:,} tokens")
        read = 0
        try:
            for one in wanted:
                self._kept.append(await self._content_of(one))
                read += 1
                if len(self._kept) >= CONTENTS_PER_COMMIT:
                    await self._record(())
        except (BudgetSpent, Unavailable) as error:
            notes.append(f"{len(wanted) - read:,} contents are left for the next import: {error}")
        except OSError as error:
            notes.append(_unwritable(self._folder, error))
        problems = sum(each.problem is not None for each in self._kept)
        if problems:
            notes.append(f"{problems:,} contents could not be kept; import_ledger.contents says why")
        if self._kept or gone:
            await self._record(gone)
        return notes

    def _read(self) -> tuple[list[Holder], dict[str, Content]]:
        with self._context.warehouse.reading() as connection:
            slug = self._context.source.slug
            return contents.holders(connection, slug), contents.contents_of(connection, slug)

    async def _record(self, gone: Sequence[str]) -> None:
        kept, self._kept = self._kept, []
        await asyncio.to_thread(self._write, kept, gone)

    def _write(self, kept: Sequence[Content], gone: Sequence[str]) -> None:
        with self._context.warehouse.writing() as connection:
            contents.record_contents(connection, self._context.source.slug, kept, gone)

    def _is_settled(self, one: Holder, known: dict[str, Content]) -> bool:
        """Whether the content is kept, or could not be had not long ago."""
        content = known.get(one.record_id)
        if content is None:
            return False
        if content.path is None:
            return self._context.clock.now() - content.kept_at < RETRIED_AFTER
        return (self._root / content.path).is_file()

    def _remove_gone(self, holders: Sequence[Holder], known: dict[str, Content]) -> list[str]:
        current = {one.record_id for one in holders if one.is_current}
        gone = [content for content in known.values() if content.record_id not in current]
        for content in gone:
            if content.path is not None:
                (self._root / content.path).unlink(missing_ok=True)
        return [content.record_id for content in gone]

    async def _content_of(self, one: Holder) -> Content:
        path = self._folder / safe_name(one.record_id, one.name)
        if path.is_file():
            # An import that was killed has read it and not noted it.
            return await asyncio.to_thread(self._noted, one, path)
        now, object_type = self._context.clock.now(), self._context.object_type
        if one.bytes is not None and one.bytes > MOST_BYTES:
            return Content(one.record_id, None, None, None, now, _too_long(one.bytes))
        assert object_type.content_path is not None
        partial = path.with_name(f".{one.record_id}.part")
        sink = _FileSink(partial)
        try:
            address = object_type.content_path.format(id=one.record_id)
            await self._context.client.save(address, sink, cost=object_type.content_cost)
            sink.close()
            partial.rename(path)
        except (Refused, TooLong) as problem:
            return Content(one.record_id, None, None, None, now, str(problem))
        finally:
            sink.close()
            partial.unlink(missing_ok=True)
        where = str(path.relative_to(self._root))
        return Content(one.record_id, where, sink.digest.hexdigest(), sink.length, now)

    def _noted(self, one: Holder, path: Path) -> Content:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        where = str(path.relative_to(self._root))
        return Content(one.record_id, where, digest, path.stat().st_size, self._context.clock.now())


def _too_long(length: int) -> str:
    return f"it has {length:,} bytes, and at most {MOST_BYTES:,} are kept"


def _unwritable(folder: Path, error: OSError) -> str:
    return (
        f"contents cannot be written to {folder}: {error.strerror or error}; free some space there, and the "
        "next import goes on"
    )
