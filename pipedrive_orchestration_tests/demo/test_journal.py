"""The journal: an account that is the same again after a restart."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from pipedrive_orchestration.demo import DemoServer, JournalError, Settings, running_demo
from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.conftest import SMALL
from pipedrive_orchestration_tests.demo.conftest import client_of

State = dict[str, Any]


def state(server: DemoServer) -> State:
    records = {name: server.account.records(name) for name in server.account.collections}
    return records | {f"{name}Fields": list(fields.every()) for name, fields in server.account.fields.items()}


def settings_of(path: Path, **choices: Any) -> Settings:
    return Settings(scale=SMALL, burst=0, journal=path, **choices)


def change_everything(server: DemoServer) -> None:
    with client_of(server) as http:

        def send(method: str, path: str, body: Any = None) -> Any:
            answer = http.request(method, path, json=body)
            assert answer.status_code in {200, 201}, answer.text
            return answer.json()["data"]

        person = send("POST", "/api/v2/persons", {"name": "Ada 🌞"})
        lead = send("POST", "/v1/leads", {"title": "Maybe", "person_id": person["id"]})
        send("PATCH", f"/v1/leads/{lead['id']}", {"is_archived": True})
        field = send("POST", "/api/v2/dealFields", {"field_name": "Mood", "field_type": "varchar"})
        body = {"title": "Roof", "custom_fields": {field["field_code"]: "good"}}
        deal = send("POST", "/api/v2/deals", body)
        note = send("POST", "/v1/notes", {"content": "x", "deal_id": deal["id"]})
        send("DELETE", f"/v1/notes/{note['id']}")
        send("DELETE", "/v1/filters?ids=1,2")
        server.account.clock.advance(timedelta(hours=3))
        send("PUT", f"/v1/persons/{person['id']}/merge", {"merge_with_id": 1})
        send("DELETE", f"/api/v2/deals/{deal['id']}")
        assert http.post("/api/v2/deals", json={"title": ""}).status_code == 400


def test_a_second_start_shows_the_same_account_and_takes_more_changes(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    with running_demo(settings_of(journal)) as server:
        change_everything(server)
        first = state(server)
    with running_demo(settings_of(journal)) as server:
        assert state(server) == first
        server.write("POST", "/api/v2/persons", {"name": "Grace"})
        with client_of(server) as http:
            http.post("/api/v2/persons", json={"name": "Mary"})
    with running_demo(settings_of(journal)) as server:
        names = {person["name"] for person in server.account.records("persons")}
        assert {"Grace", "Mary"} <= names
    header, *writes = [orjson.loads(line) for line in journal.read_bytes().splitlines()]
    assert set(header) == {"seed", "scale", "born"}
    assert len(writes) == 12
    assert all(set(write) == {"at", "method", "path", "body"} for write in writes)
    assert Settings().token not in journal.read_text()


def test_a_second_start_shows_the_same_times_though_seconds_pass_during_a_write(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "journal.jsonl", born=PRESENT, clock_rate=100_000)
    with running_demo(settings) as server:
        for number in range(20):
            server.write("PATCH", "/api/v2/persons/1", {"name": f"Ada {number}"})
            server.write("POST", "/api/v2/deals", {"title": f"Roof {number}", "person_id": 1})
        first = state(server)
    with running_demo(settings) as server:
        assert state(server) == first


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    with running_demo(settings_of(journal)) as server:
        server.write("POST", "/api/v2/persons", {"name": "Grace"})
        whole = state(server)
    with journal.open("ab") as file:
        file.write(b'{"at":"2026-11-21T09:00:00Z","method":"POST","pa')
    with running_demo(settings_of(journal)) as server:
        assert state(server) == whole
        server.write("POST", "/api/v2/persons", {"name": "Mary"})
        more = state(server)
    with running_demo(settings_of(journal)) as server:
        assert state(server) == more


def _other_seed(journal: Path) -> Settings:
    return Settings(seed=2, scale=SMALL, journal=journal)


def _other_scale(journal: Path) -> Settings:
    return Settings(scale=SMALL * 2, journal=journal)


@pytest.mark.parametrize("settings", [_other_seed, _other_scale])
def test_a_journal_belongs_to_one_account(tmp_path: Path, settings: Callable[[Path], Settings]) -> None:
    journal = tmp_path / "journal.jsonl"
    with running_demo(settings_of(journal)):
        pass
    with pytest.raises(JournalError, match=r"seed 1 and scale 0\.02"), running_demo(settings(journal)):
        pass


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not a journal\n", "is not the journal"),
        (b'{"seed":1}\n', "is not the journal"),
        (b'{"seed":1,"scale":0.02,"born":"2026-11-21T09:00:00Z"}\n{}\n', "line 2"),
        (
            b'{"seed":1,"scale":0.02,"born":"2026-11-21T09:00:00Z"}\n'
            b'{"at":"2026-11-21T09:00:01Z","method":"DELETE","path":"/api/v2/deals/99999999","body":null}\n',
            "is refused now",
        ),
    ],
)
def test_an_unusable_journal_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(content)
    with pytest.raises(JournalError, match=message) as raised, running_demo(settings_of(journal)):
        pass
    assert "journal" in str(raised.value)
    assert journal.read_bytes() == content


def test_a_journal_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere" / "journal.jsonl"
    with pytest.raises(JournalError, match="cannot be opened"), running_demo(settings_of(missing)):
        pass
