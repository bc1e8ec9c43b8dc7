"""The folder of YAML files that is the one registry of sources."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import yaml

from pipedrive_orchestration.files import create_content, replace_content
from pipedrive_orchestration.pipedrive.object_types import Catalogue
from pipedrive_orchestration.sources.first_seen import FirstSeen
from pipedrive_orchestration.sources.holds import Hold, Holds
from pipedrive_orchestration.sources.key_values import KeyValues
from pipedrive_orchestration.sources.left_out_pulls import LeftOutPulls
from pipedrive_orchestration.sources.model import (
    RESERVED_SLUGS,
    Source,
    SourceBody,
    SourceFile,
    derive_slug,
    id_of_slug,
    is_slug,
    known_types,
    misnamed,
    refuse_change_of_fixed,
)
from pipedrive_orchestration.sources.object_types import ObjectTypeStore, OwnObjectType, catalogue_with
from pipedrive_orchestration.sources.old_files import OldFileError
from pipedrive_orchestration.sources.parents import parents_of, with_parents
from pipedrive_orchestration.sources.validation import InvalidBodyError, Problem
from pipedrive_orchestration.sources.yaml_document import Document
from pipedrive_orchestration.sources.yaml_files import BadFile, YamlFolder, found, locate, not_there

DELETED = "deleted"
"""Folder within the sources' folder that keeps the files of deleted sources."""


def _utc_now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class UnknownSourceError(LookupError):
    """No file of that slug."""


@dataclass(frozen=True, slots=True)
class LoadedSources:
    """What a reading of the folder gave: the sources by slug, and the files that are left out.

    ``object_types`` are those that the project adds to the built-in ones.
    """

    sources: tuple[Source, ...] = ()
    bad_files: tuple[BadFile, ...] = ()
    object_types: tuple[OwnObjectType, ...] = ()

    @property
    def catalogue(self) -> Catalogue:
        """The object types of the project."""
        return catalogue_with(self.object_types)

    def find(self, slug: str) -> Source:
        """The source of that slug.

        Raises:
            InvalidBodyError: Its file is there and is not a source.
            UnknownSourceError: There is no such file; names the near matches.
        """
        return found("source", slug, self.sources, self.bad_files, UnknownSourceError)


class SourceStore:
    """The sources of a project folder, which changes only when somebody creates or deletes one.

    Args:
        project: The project folder; its sources are ``sources/<slug>.yaml``.
        key_values: Where it is remembered when each was first seen, and which of them wait for tokens.
        clock: Gives the current instant in UTC.

    Attributes:
        holds: Which sources wait for tokens.
        left_out_pulls: What ticks have not pulled, since webhooks brought it.
    """

    def __init__(
        self, project: Path | str, key_values: KeyValues, clock: Callable[[], datetime] = _utc_now
    ) -> None:
        self.project = Path(project)
        self.folder = self.project / "sources"
        self.holds = Holds(key_values, self.project)
        self.left_out_pulls = LeftOutPulls(key_values)
        self._object_types = ObjectTypeStore(self.project)
        self._files = YamlFolder(self.folder, "source", RESERVED_SLUGS)
        self._deleted_files = YamlFolder(self.folder / DELETED, "source")
        self._first_seen = FirstSeen(key_values, self.project)
        self._clock = clock

    @property
    def catalogue(self) -> Catalogue:
        """The object types of the project, as its files say now."""
        return self._object_types.load().catalogue

    def load(self) -> LoadedSources:
        """Reads every file; a bad one is reported and never keeps the others from loading."""
        types = self._object_types.load()
        if not self.folder.is_dir():
            problem = Problem("", "no_folder", f"There is no folder {self.folder}; sources are read from it.")
            bad = BadFile(str(self.folder), "", (problem,))
            return LoadedSources((), (bad, *types.bad_files), types.own)
        read, bad_files = self._files.read(partial(SourceFile.parse, catalogue=types.catalogue))
        first_seen, damaged = self._record(read)
        by_age = sorted(read, key=lambda slug: (first_seen[slug], slug))
        originals, copies = self._files.without_copies(
            _identified(slug, read[slug], first_seen[slug]) for slug in by_age
        )
        complete, problems = with_parents(originals)
        orphans = [self._orphan(slug, problem) for slug, problem in problems.items()]
        sources = sorted(complete, key=lambda source: source.slug)
        left_out = (*types.bad_files, *bad_files, *copies, *orphans, *damaged)
        return LoadedSources(tuple(sources), left_out, types.own)

    def _orphan(self, slug: str, problem: Problem) -> BadFile:
        """A file of children without a source that they can be read along."""
        path = self._files.file_of(slug)
        return BadFile(str(path), slug, tuple(locate(path, [problem])))

    def create(self, body: SourceBody, slug: str | None = None, hold: Hold | None = None) -> Source:
        """Writes a new source.

        Args:
            body: What was validated with ``created_on``.
            slug: Its name; derived from the body's name if None.
            hold: Why its first import has to wait, if it has to. It is there before the file is.

        Raises:
            InvalidBodyError: The slug is malformed, taken, or was a deleted source's; or a file cannot hold
                the body.
            OldFileError: A file of version 0.1 is damaged, and former slugs may stand in it.
            OSError: The folder cannot be written; nothing was.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        id_, parents = uuid4(), self.parents_of(body)
        while True:
            chosen = self._chosen(body, slug)
            source = _with_identity(body, chosen, id_, self._clock(), parents)
            content = _as_yaml(source, body)
            if hold is not None:
                self.holds.place(source.id, hold)
            # Another process may have taken the slug meanwhile.
            with suppress(FileExistsError):
                create_content(self.folder / f"{chosen}.yaml", content.encode(), mode=0o644)
                break
        self._first_seen.record([chosen], source.created_at)
        return source

    def parents_of(self, body: SourceBody) -> str | None:
        """The slug of the source that a body's children are read along; None for what is not read so.

        Raises:
            InvalidBodyError: There is none, or there are several.
        """
        return parents_of(body, self.load().sources) if body.type.parent else None

    def replace(self, source: Source, body: SourceBody) -> Source:
        """Writes another body into a source's file; id and instant of creation stay, comments do not.

        Raises:
            InvalidBodyError: The body changes what is fixed at creation, or a file cannot hold it.
            UnknownSourceError: The file has gone meanwhile.
            OSError: The folder cannot be written; the file is as it was.
        """
        refuse_change_of_fixed(source, body)
        changed = _with_identity(body, source.slug, source.id, source.created_at, self.parents_of(body))
        content = _as_yaml(changed, body)
        if source.slug not in self._files.slugs():
            raise UnknownSourceError(not_there("source", source.slug, self.load().sources))
        replace_content(self._files.file_of(source.slug), content.encode(), mode=0o644)
        return changed

    def delete(self, slug: str) -> None:
        """Moves a source's file to the folder of deleted ones; nothing where it has gone already.

        Its slug stays taken, and moving the file back brings the source back with its id.

        Raises:
            OSError: The folder cannot be written; the source is as it was.
        """
        (self.folder / DELETED).mkdir(exist_ok=True)
        for path in self._files.files():
            if path.stem == slug:
                with suppress(FileNotFoundError):
                    path.rename(self.folder / DELETED / path.name)

    def deleted(self) -> tuple[Source, ...]:
        """The sources that were deleted, as their files say; one that is there again is not among them."""
        read, _ = self._deleted_files.read(partial(SourceFile.parse, catalogue=self.catalogue))
        present = self._files.slugs()
        first_seen, _ = self._record(read)
        return tuple(
            _identified(slug, file, first_seen[slug]) for slug, file in read.items() if slug not in present
        )

    def _chosen(self, body: SourceBody, slug: str | None) -> str:
        present, deleted = self._files.slugs(), self._deleted_files.slugs()

        def is_used(slug: str) -> bool:
            known = (present, deleted, RESERVED_SLUGS)
            return any(slug in slugs for slugs in known) or self._first_seen.knows(slug)

        if slug is None:
            return derive_slug(body.name, body.object_type, is_used)
        if not is_slug(slug):
            raise _refused("invalid_slug", misnamed(slug, "source"))
        if slug in RESERVED_SLUGS:
            raise _refused("reserved_slug", f"`{slug}` stands for something else. Choose another name.")
        if slug in present:
            raise _refused("slug_taken", f"There is a source `{slug}` already.")
        if is_used(slug):
            raise _refused("slug_of_deleted", f"`{slug}` was the name of a source that was deleted. Choose "
                           "another: its table and its history are still there.")  # fmt: skip
        return slug

    def _record(self, slugs: Iterable[str]) -> tuple[dict[str, datetime], list[BadFile]]:
        slugs, now = list(slugs), self._clock()
        try:
            return self._first_seen.record(slugs, now), []
        except OldFileError as error:
            known = dict.fromkeys(slugs, now) | self._first_seen.read(slugs)
            return known, [BadFile(str(error.path), "", (Problem("", "unreadable", str(error)),))]


def _refused(code: str, message: str) -> InvalidBodyError:
    return InvalidBodyError([Problem("slug", code, message)])


def _identified(slug: str, file: SourceFile, first_seen: datetime) -> Source:
    return _with_identity(file, slug, file.id or id_of_slug(slug), file.created_at or first_seen)


def _with_identity(
    body: SourceBody, slug: str, id_: UUID, created_at: datetime, parents: str | None = None
) -> Source:
    fields = {field: getattr(body, field) for field in SourceBody.model_fields}
    identity = {"slug": slug, "id": id_, "created_at": created_at, "parents": parents}
    return Source.model_validate(fields | identity, context=known_types(body.catalogue))


def _as_yaml(source: Source, body: SourceBody) -> str:
    """The text of a source's file.

    Raises:
        InvalidBodyError: JSON can say the body, and a file cannot.
    """
    identity: dict[str, Any] = {"id": str(source.id), "created_at": source.created_at.isoformat()}
    fields = body.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    # As people write it, the name first.
    content = {"name": body.name, **fields, **identity}
    readable, escaped = (
        yaml.safe_dump(content, sort_keys=False, allow_unicode=is_readable, width=110)
        for is_readable in (True, False)
    )
    # Some characters, such as the line separators of Unicode, read back as blanks unless they are escaped.
    same = Document.parse(readable).content == content
    SourceFile.parse(Document.parse(readable if same else escaped).content, catalogue=body.catalogue)
    return readable if same else escaped
