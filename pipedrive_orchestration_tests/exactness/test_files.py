"""Files: read newest first, their deletions from recents, and what they hold where it is asked for."""

from __future__ import annotations

import hashlib
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipedrive_orchestration.demo.endpoints import files as file_endpoints
from pipedrive_orchestration.demo.generator.documents import content_of
from pipedrive_orchestration.importing.contents import safe_name
from pipedrive_orchestration.sources import InvalidBodyError, SourceBody
from pipedrive_orchestration_tests.chaos.sizes import in_full
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.disturbances import WritesBetweenPages
from pipedrive_orchestration_tests.exactness.trial import Trial


class Uploads(Churn):
    """Users who upload, rename and delete files; the demo account takes no uploads, so they come by hand."""

    def __init__(self, trial: Trial) -> None:
        super().__init__(trial.demo, seed=1)
        self._number = 0

    def step(self) -> None:
        """One change."""
        self._number += 1
        account = self._account
        with account.lock:
            alive = [one for one in account["files"] if one["active_flag"]]
            old = alive[self._number * 7 % len(alive)]
            if self._number % 3 == 0:
                account.save("files", {**old, "name": f"renamed {self._number}.pdf"})
                return
            if self._number % 3 == 1:
                new: dict[str, Any] = {"id": account.new_id("files"), "add_time": account.stamp("files")}
                account.save("files", {**old, **new})
                return
        self._write("DELETE", f"/v1/files/{old['id']}", None)


def test_files_are_those_of_the_account_after_every_change(
    fresh_trial: FreshTrial, small_pages: None
) -> None:
    trial = fresh_trial(scale=0.02, burst=0)
    uploads, source = Uploads(trial), trial.source("files")
    trial.windows(source, listener=WritesBetweenPages(uploads))
    trial.demo.account.clock.advance(timedelta(minutes=1))
    trial.changes(source)
    assert trial.differences(source) == []
    for _ in range(2):
        trial.demo.account.clock.advance(timedelta(minutes=10))
        uploads.steps(12)
        trial.changes(source, listener=WritesBetweenPages(uploads))
        trial.demo.account.clock.advance(timedelta(minutes=10))
        trial.changes(source)
        assert trial.differences(source) == []
    start = len(trial.demo.account.requests)
    trial.changes(source)
    lists = [one for one in trial.demo.account.requests[start:] if one.path == "/v1/files"]
    assert len(lists) == 1
    uploads.steps(9)
    trial.windows(source)
    assert trial.differences(source) == []


def test_contents_are_kept_once_and_follow_the_rows(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.02, burst=0)
    options = {"contents": True, "on_leave": "delete"}
    source = trial.source("files", options=options)
    trial.windows(source)
    assert kept(trial) == held(trial)
    names = [path.name for path in folder(trial).iterdir()]
    assert not [name for name in names if re.search(r'[<>:"/\\|?* ]|^\.', name)]
    assert {path.stat().st_mode & 0o777 for path in folder(trial).iterdir()} == {0o600}
    start = len(trial.demo.account.requests)
    trial.changes(source)
    assert downloads(trial, start) == 0
    first, second, third = sorted(kept(trial), key=int)[:3]
    trial.demo.account.clock.advance(timedelta(minutes=10))
    trial.demo.write("DELETE", f"/v1/files/{first}")
    # A content whose file is gone is read again; one whose row was lost is not.
    next(folder(trial).glob(f"{second}-*")).unlink()
    with trial.warehouse.writing() as connection:
        connection.execute("DELETE FROM import_ledger.contents WHERE record_id = ?", [third])
    start = len(trial.demo.account.requests)
    trial.changes(source)
    assert downloads(trial, start) == 1
    assert kept(trial) == held(trial)
    assert not list(folder(trial).glob(f"{first}-*"))


@in_full
def test_a_budget_that_is_spent_leaves_contents_for_the_next_import(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.02, burst=0, daily_tokens=300)
    source = trial.source("files", options={"contents": True})
    report = trial.windows(source)
    assert any("left for the next import" in note for note in report.notes)
    assert 0 < len(kept(trial)) < len(held(trial))
    for _ in range(9):
        trial.demo.account.clock.advance(timedelta(days=1))
        trial.changes(source)
    assert kept(trial) == held(trial)


def test_a_disk_that_is_full_stops_the_contents_and_not_the_rows(
    fresh_trial: FreshTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel refuses what goes beyond a file's largest size, as it does on a disk without space."""
    trial = fresh_trial(scale=0.005, burst=0)
    source = trial.source("files", options={"contents": True})
    files = sorted(trial.demo.account.records("files"), key=lambda one: str(one["update_time"]))
    alive = [one["id"] for one in files if one["active_flag"]]
    largest = alive[len(alive) // 2]

    def with_one_too_large(file: dict[str, Any]) -> bytes:
        return b"x" * 3 * FULL_AT if file["id"] == largest else content_of(file)

    monkeypatch.setattr(file_endpoints, "content_of", with_one_too_large)
    with files_of_at_most(FULL_AT):
        report = trial.windows(source)
    assert trial.differences(source) == []
    (note,) = [note for note in report.notes if "cannot be written" in note]
    assert f"contents cannot be written to {folder(trial)}: File too large; free some space there" in note
    assert 0 < len(kept(trial)) < len(alive)
    assert str(largest) not in kept(trial)
    assert not list(folder(trial).glob(".*"))
    monkeypatch.undo()
    trial.changes(source)
    assert kept(trial) == held(trial)


FULL_AT = 32 * 1024 * 1024


@contextmanager
def files_of_at_most(length: int) -> Iterator[None]:
    """Let no file of this process grow beyond a length."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def folder(trial: Trial) -> Path:
    return trial.folder / "files" / "files"


def held(trial: Trial) -> dict[str, str]:
    """The hashes of what every file holds that is not deleted, by id."""
    alive = [one for one in trial.demo.account.records("files") if one["active_flag"]]
    return {str(one["id"]): hashlib.sha256(content_of(one)).hexdigest() for one in alive}


def kept(trial: Trial) -> dict[str, str]:
    """The hashes of what is kept, by id, which are those of the files themselves."""
    rows = trial.ask(
        "SELECT record_id, path, sha256, bytes FROM import_ledger.contents WHERE path IS NOT NULL"
    )
    for _, path, sha256, length in rows:
        content = (trial.folder / "files" / path).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (sha256, length)
    return {record_id: sha256 for record_id, _, sha256, _ in rows}


def downloads(trial: Trial, start: int) -> int:
    return sum(one.path.endswith("/download") for one in trial.demo.account.requests[start:])


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Offer.pdf", "7-Offer.pdf"),
        ("../../etc/passwd", "7-etc_passwd"),
        ("CON", "7-CON"),
        (None, "7"),
        ("a/b\\c:d*?.txt", "7-a_b_c_d_.txt"),
        ("x" * 300 + ".jpeg", "7-" + "x" * 75 + ".jpeg"),
        ("見積書.pdf", "7-見積書.pdf"),
    ],
)
def test_names_are_safe_on_every_file_system(name: str | None, safe: str) -> None:
    assert safe_name("7", name) == safe


def test_only_files_have_contents() -> None:
    body = {"name": "x", "object_type": "deals", "properties": ["title"], "pull_mode": "static"}
    with pytest.raises(InvalidBodyError) as refused:
        SourceBody.parse(body | {"options": {"contents": True}})
    assert [each.code for each in refused.value.problems] == ["no_contents"]
