"""Folders that are made for their owner only."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from pipedrive_orchestration.files import make_private_folder


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_every_folder_that_is_new_is_private(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    make_private_folder(tmp_path / "open" / "data" / "demo")
    assert mode_of(tmp_path / "open") == 0o755
    assert mode_of(tmp_path / "open" / "data") == mode_of(tmp_path / "open" / "data" / "demo") == 0o700


def test_one_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o750)
    make_private_folder(tmp_path / "data")
    assert mode_of(tmp_path / "data") == 0o750


def test_a_file_in_its_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(FileExistsError):
        make_private_folder(tmp_path / "data")
    with pytest.raises(NotADirectoryError):
        make_private_folder(tmp_path / "data" / "demo")
