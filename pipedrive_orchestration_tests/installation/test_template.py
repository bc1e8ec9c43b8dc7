"""A folder is laid out once, for its owner, and what is in it stays as it is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pipedrive_orchestration import template
from pipedrive_orchestration.template import PARTS, lay_out

CHECKOUT = Path(__file__).parents[2]


def content(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_empty_folder_gets_everything(tmp_path: Path) -> None:
    laid = lay_out(tmp_path / "crm")
    assert (set(laid.written), laid.kept) == ({*PARTS, ".env"}, ())
    project = [path for path in (CHECKOUT / "project").rglob("[!.]*") if path.is_file()]
    assert project
    expected = {path.relative_to(CHECKOUT): path.read_bytes() for path in project}
    expected |= {Path(part): (CHECKOUT / part).read_bytes() for part in PARTS if part != "project"}
    assert content(tmp_path / "crm") == expected | {Path(".env"): (CHECKOUT / ".env.example").read_bytes()}


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_secrets_are_for_the_owner_only(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        lay_out(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "dagster.yaml").stat().st_mode) == 0o666 & ~umask
    assert stat.S_IMODE((tmp_path / "project").stat().st_mode) == 0o777 & ~umask


def test_what_is_there_stays(tmp_path: Path) -> None:
    for name in (".env", "dagster.yaml", "project/sources/deals.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"my own {name}")
    mine = content(tmp_path)
    laid = lay_out(tmp_path)
    assert set(laid.kept) == {".env", "dagster.yaml", "project"}
    assert set(laid.written) == {".env.example", ".gitignore", "workspace.yaml"}
    assert content(tmp_path).items() >= mine.items()
    assert len(list((tmp_path / "project").rglob("*.yaml"))) == 1


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    lay_out(tmp_path)
    before = content(tmp_path)
    assert lay_out(tmp_path).written == ()
    assert content(tmp_path) == before


def test_a_folder_that_cannot_be_copied_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = template._copy_file

    def full_disk(source: Path, target: Path, *, mode: int) -> bool:
        if source.name == "pipelines.yaml":
            raise OSError(28, "No space left on device")
        return copied(source, target, mode=mode)

    monkeypatch.setattr(template, "_copy_file", full_disk)
    with pytest.raises(OSError, match="No space left"):
        lay_out(tmp_path)
    assert not list(tmp_path.glob("*project*"))
    monkeypatch.undo()
    assert "project" in lay_out(tmp_path).written
