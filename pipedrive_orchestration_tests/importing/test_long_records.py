"""Records so long that memory does not hold a page of them, as notes with whole mails in them are."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from pipedrive_orchestration.importing import staging
from pipedrive_orchestration.importing.staging import BYTES_PER_BATCH, PAGES_PER_BATCH, StagingFolder, batches
from pipedrive_orchestration_tests.chaos.sizes import FULL
from pipedrive_orchestration_tests.importing.accounts import account, deal
from pipedrive_orchestration_tests.importing.canned import serving
from pipedrive_orchestration_tests.importing.imports import query, run, source

DIGESTS = "SELECT id, md5(title) FROM pipedrive.deals ORDER BY id"


def long_texts(seed: int, lengths: list[int]) -> dict[int, str]:
    chosen = random.Random(seed)
    words = [f"{chosen.getrandbits(60):x}" for _ in range(1000)]
    return {
        number: " ".join(chosen.choices(words, k=length // 16)) for number, length in enumerate(lengths, 1)
    }


def digests(texts: dict[int, str]) -> list[tuple[int, str]]:
    return [
        (number, hashlib.md5(text.encode(), usedforsecurity=False).hexdigest())
        for number, text in texts.items()
    ]


def test_a_page_longer_than_a_batch_lands_and_changes_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorter = 1 if FULL else 10
    monkeypatch.setattr(staging, "BYTES_PER_BATCH", BYTES_PER_BATCH // shorter)
    deals = source("deals", ["id", "title"])
    texts = long_texts(1, [100_000 // shorter] * 500 + [2_000_000 // shorter] * 15)
    assert sum(map(len, texts.values())) > staging.BYTES_PER_BATCH
    with serving(account("deals", [deal(number, title=text) for number, text in texts.items()])) as served:
        run(deals, served.connection, tmp_path)
    assert query(tmp_path, DIGESTS) == digests(texts)
    texts |= {number: text[::-1] for number, text in texts.items()}
    later = "2026-02-02T03:04:05Z"
    changed = [deal(number, title=text, update_time=later) for number, text in texts.items()]
    with serving(account("deals", changed)) as served:
        report = run(deals, served.connection, tmp_path)
    assert report.rows.updated == len(texts)
    assert query(tmp_path, DIGESTS) == digests(texts)


def test_pages_are_typed_in_batches_that_memory_bears(tmp_path: Path) -> None:
    staged = StagingFolder(tmp_path)
    short = [page for _ in range(PAGES_PER_BATCH + 1) for page in staged.add(b'{"id":1}\n')]
    assert [len(batch) for batch in batches(short)] == [PAGES_PER_BATCH, 1]
    assert [page for batch in batches(short) for page in batch] == short

    line = b'{"id":2,"x":"' + b"y" * (BYTES_PER_BATCH // 3) + b'"}\n'
    endless = b'{"id":3,"x":"' + b"z" * (BYTES_PER_BATCH + 1) + b'"}\n'
    written = line * 4 + endless + line
    pieces = staged.add(written)
    assert b"".join(piece.read_bytes() for piece in pieces) == written
    assert [piece.read_bytes().count(b"\n") for piece in pieces] == [2, 2, 1, 1]
    assert [len(batch) for batch in batches(pieces)] == [1, 1, 1, 1]
    assert list(batches([])) == []
