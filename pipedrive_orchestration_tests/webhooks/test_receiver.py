"""The receiver: what is answered 200 is on disk, and nothing that comes makes Pipedrive stop."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio import to_thread

from pipedrive_orchestration.api.routes import webhooks as receiver
from pipedrive_orchestration.api.routes.webhooks import PATH, WebhookReceiver
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.webhooks.inbox import OPEN_SUFFIX, Inbox, lines_of
from pipedrive_orchestration_tests.webhooks.payloads import encoded, payload

USER, PASSWORD = "pipedrive", "päss:word"
SETTINGS = Settings.from_variables({"PIPEDRIVE_WEBHOOK_USER": USER, "PIPEDRIVE_WEBHOOK_PASSWORD": PASSWORD})


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path / "inbox")


Auth = tuple[bytes, bytes] | None
KNOWN = (USER.encode(), PASSWORD.encode())


def send(
    inbox: Inbox,
    content: bytes = b"",
    *,
    auth: Auth = KNOWN,
    method: str = "POST",
    settings: Settings = SETTINGS,
) -> httpx.Response:
    (answer,) = send_all(inbox, [content], auth=auth, method=method, settings=settings)
    return answer


def send_all(
    inbox: Inbox,
    contents: list[bytes],
    *,
    auth: Auth = KNOWN,
    method: str = "POST",
    settings: Settings = SETTINGS,
) -> list[httpx.Response]:
    """Requests that come at the same time, and how they are answered."""

    async def requests() -> list[httpx.Response]:
        receiver = WebhookReceiver(inbox, settings)
        transport: Any = httpx.ASGITransport(receiver)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            sent = [client.request(method, PATH, content=content, auth=auth) for content in contents]
            answers = await asyncio.gather(*sent)
        receiver.close()
        return answers

    return asyncio.run(requests())


def test_an_event_that_is_answered_is_in_the_inbox_for_its_owner_only(inbox: Inbox) -> None:
    sent = encoded(payload())
    assert send(inbox, sent).status_code == 200
    (file,) = inbox.files()
    assert list(lines_of([file])) == [sent]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(inbox.folder.stat().st_mode) == 0o700


def test_an_event_that_is_laid_out_in_lines_stays_one(inbox: Inbox) -> None:
    laid_out = encoded(payload()).replace(b",", b",\r\n")
    assert send(inbox, laid_out).status_code == 200
    assert len(list(lines_of(inbox.files()))) == 1


@pytest.mark.parametrize(
    "credentials", [None, (USER, "wrong"), ("wrong", PASSWORD), (USER, ""), ("", "")], ids=str
)
def test_who_does_not_know_the_password_is_refused(inbox: Inbox, credentials: tuple[str, str] | None) -> None:
    auth = (credentials[0].encode(), credentials[1].encode()) if credentials else None
    answer = send(inbox, encoded(payload()), auth=auth)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Basic"
    assert inbox.files() == []


def test_without_a_password_nothing_is_taken(inbox: Inbox) -> None:
    assert send(inbox, encoded(payload()), auth=(b"", b""), settings=Settings()).status_code == 404


def test_events_that_come_at_the_same_time_are_all_kept(inbox: Inbox) -> None:
    sent = [encoded(payload(record_id=number)) for number in range(50)]
    assert {answer.status_code for answer in send_all(inbox, sent)} == {200}
    assert sorted(lines_of(inbox.files())) == sorted(sent)


def test_what_is_no_event_is_answered_and_set_aside(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver, "MAX_EVENT_BYTES", 1_000)
    for content in (b"no json", encoded(payload("filter")), encoded(payload(data={"title": "x" * 2_000}))):
        assert send(inbox, content).status_code == 200
    assert inbox.files() == []
    assert inbox.count_set_aside() == 3
    kept = [path.read_bytes() for path in sorted((inbox.folder / "set_aside").iterdir())]
    assert kept[-1] == receiver.TOO_LARGE


def test_what_cannot_be_written_is_asked_for_again(tmp_path: Path) -> None:
    (tmp_path / "inbox").write_text("a file where the folder should be")
    assert send(Inbox(tmp_path / "inbox"), encoded(payload())).status_code == 503


def test_what_a_receiver_leaves_that_was_killed_is_taken_as_far_as_it_was_answered(inbox: Inbox) -> None:
    file = inbox.open_file()
    file.add([b'{"number": 1}', b'{"number": 2}'])
    assert inbox.files() == [], "it may still be added to"
    (hidden,) = inbox.folder.glob(f".*{OPEN_SUFFIX}")
    with hidden.open("ab") as half:
        half.write(b'{"numb')
    os.close(file._descriptor)
    assert list(lines_of(inbox.files())) == [b'{"number": 1}', b'{"number": 2}']
    empty = inbox.open_file()
    os.close(empty._descriptor)
    assert len(inbox.files()) == 1
    assert not list(inbox.folder.glob(f".*{OPEN_SUFFIX}"))


def until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_file_is_shown_after_a_moment_and_the_next_event_is_in_another(inbox: Inbox) -> None:
    async def received() -> None:
        receiver = WebhookReceiver(inbox, SETTINGS)
        transport: Any = httpx.ASGITransport(receiver)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", auth=KNOWN) as client:
            for number in range(2):
                for _ in range(2):
                    await client.post(PATH, content=encoded(payload(record_id=number)))
                await to_thread.run_sync(until, lambda shown=number: len(inbox.files()) > shown)
        receiver.close()

    asyncio.run(asyncio.wait_for(received(), 60))
    assert [len(list(lines_of([file]))) for file in inbox.files()] == [2, 2]


def test_other_methods_are_refused(inbox: Inbox) -> None:
    assert send(inbox, method="GET").status_code == 405
