"""Dagster's state on this machine: what keeps it from being opened, told before anything opens it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from pipedrive_orchestration.services.errors import (
    DamagedStateError,
    ForbiddenStateError,
    UnusableConfigurationError,
    UnusableHomeError,
)
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
        UnusableConfigurationError: the configuration cannot be read.
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

    Raises:
        UnusableConfigurationError: the configuration cannot be read.
    """
    file = home / CONFIGURATION
    try:
        configuration = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnusableConfigurationError(file, str(error.strerror)) from None
    except UnicodeDecodeError:
        raise UnusableConfigurationError(file, "it is no text in UTF-8") from None
    except yaml.YAMLError as error:
        raise UnusableConfigurationError(file, f"it is not YAML: {error}") from None
    try:
        return home / str(configuration["storage"]["sqlite"]["base_dir"])
    except (KeyError, TypeError):
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
