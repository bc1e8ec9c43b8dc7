"""Dagster's state on this machine: what keeps it from being opened, told before anything opens it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from pipedrive_orchestration.services.errors import DamagedStateError, ForbiddenStateError, UnusableHomeError
from pipedrive_orchestration.template import CONFIGURATION

SQLITE_FILES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
"""The files of Dagster's SQLite storage that hold more than one run, below its base folder."""

_SQLITE_HEAD = b"SQLite format 3\0"
"""The first bytes of a SQLite file; SQLite's page on its file format."""

_NOT_IN_ADDRESSES = re.compile(r"\?|%[0-9A-Fa-f]{2}")
"""What SQLAlchemy takes for a part of an address, in which Dagster writes the path as it is."""


def refuse_unusable(home: Path) -> None:
    """Check that Dagster can open its storage; nothing where it is not SQLite.

    Args:
        home: the folder of Dagster's configuration, with its whole path.

    Raises:
        UnusableHomeError: Dagster cannot use a folder of that name.
        DamagedStateError: a file is no SQLite database; names all of them.
        ForbiddenStateError: a file cannot be read.
    """
    base = sqlite_folder(home)
    if base is None:
        return
    if _NOT_IN_ADDRESSES.search(str(base)):
        raise UnusableHomeError(base)
    damaged = list(damaged_files(base))
    if damaged:
        raise DamagedStateError(damaged)


def sqlite_folder(home: Path) -> Path | None:
    """The folder of Dagster's SQLite files, or None where its storage is another.

    A configuration that cannot be read is left to Dagster, which says what is wrong with it.
    """
    try:
        configuration = yaml.safe_load((home / CONFIGURATION).read_text(encoding="utf-8"))
        return home / str(configuration["storage"]["sqlite"]["base_dir"])
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return None


def damaged_files(base: Path) -> Iterator[Path]:
    """The files of a SQLite storage that do not begin as such a file does; empty ones are new.

    Raises:
        ForbiddenStateError: one cannot be read.
    """
    for name in SQLITE_FILES:
        try:
            with (base / name).open("rb") as file:
                head = file.read(len(_SQLITE_HEAD))
        except FileNotFoundError:
            continue
        except (IsADirectoryError, NotADirectoryError):
            yield base / name
            continue
        except OSError as error:
            raise ForbiddenStateError(base / name, error.strerror) from None
        if head and head != _SQLITE_HEAD:
            yield base / name
