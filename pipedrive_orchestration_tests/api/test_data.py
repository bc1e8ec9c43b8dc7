"""Pages of rows: complete, stable while an import runs, and there although an import has the file."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from pipedrive_orchestration.cli.app import app
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import quoted
from pipedrive_orchestration.warehouse.tables import HISTORY, ROWS, prepare_history
from pipedrive_orchestration_tests.api.conftest import StartApi
from pipedrive_orchestration_tests.api.serving import DEALS, Api
from pipedrive_orchestration_tests.api.tables import COLUMNS, FIRST_COMMIT, write_table
from pipedrive_orchestration_tests.warehouse.backends import KIND

HOUR = timedelta(hours=1)


@pytest.fixture
def api_of_table(start_api: StartApi) -> Api:
    return start_api()


def deals(api: Api, *commits: int) -> Source:
    """A source with a table of so many rows in each commit."""
    source = api.add(**DEALS | {"name": "Table", "properties_metadata": [{"name": "title", "label": "Deal"}]})
    write_table(api.context.warehouse, source.slug, commits)
    return source


def page(api: Api, source: Source, page_no: int, page_size: int, **parameters: str) -> dict[str, Any]:
    asked = {"page_no": page_no, "page_size": page_size, **parameters}
    answer = api.get(f"/sources/{source.id}/data", params=asked)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["data"])


def titles(api: Api, source: Source, page_size: int) -> list[str]:
    """All titles, page by page."""
    found: list[str] = []
    for page_no in range(1, 1_000):
        rows = page(api, source, page_no, page_size, format="flat")["rows"]
        if not rows:
            return found
        found += [row["title"] for row in rows]
    raise AssertionError("no end")


def expected_titles(api: Api, source: Source) -> list[str]:
    """The order that the pages promise, by sorting the whole table."""
    with api.context.warehouse.reading() as connection:
        rows = connection.execute(
            f"SELECT title FROM {quoted(ROWS, source.slug)} WHERE _is_current "
            "ORDER BY _first_imported_at, _id"
        )
        return [title for (title,) in rows.fetchall()]


def test_values_come_with_the_labels_of_the_user_and_of_pipedrive(api_of_table: Api) -> None:
    source = deals(api_of_table, 10)
    shown = page(api_of_table, source, 1, 1)
    assert (shown["page_no"], shown["page_size"], shown["total_count"]) == (1, 1, 8)
    (row,) = shown["rows"]
    assert list(row) == ["title", "value", "status"]
    assert [cell["label"] for cell in row.values()] == ["Deal", "Deal value", "Status"]
    (flat,) = page(api_of_table, source, 1, 1, format="flat")["rows"]
    assert flat == {key: cell["value"] for key, cell in row.items()}


def test_pages_hold_every_row_once_in_one_order(api_of_table: Api) -> None:
    source = deals(api_of_table, 1, 30, 2, 2, 300)
    for page_size in (27, 200):
        assert titles(api_of_table, source, page_size) == expected_titles(api_of_table, source)


def test_pages_deep_in_a_large_commit_are_found(api_of_table: Api) -> None:
    source = deals(api_of_table, 10, 60_000, 5)
    expected = expected_titles(api_of_table, source)
    total = len(expected)
    for page_size in (20, 199):
        # Around the ends of commits and of the sorted part, and in the midst.
        for offset in (0, 8, 19_990, 30_000, total - 250, total - 1):
            page_no = offset // page_size + 1
            shown = page(api_of_table, source, page_no, page_size, format="flat")
            start = (page_no - 1) * page_size
            assert [row["title"] for row in shown["rows"]] == expected[start : start + page_size], offset
            assert shown["total_count"] == total


@pytest.mark.parametrize("page_no", [3, 2**31, 2**53 - 1])
def test_a_page_past_the_end_is_empty(api_of_table: Api, page_no: int) -> None:
    source = deals(api_of_table, 20)
    shown = page(api_of_table, source, page_no, 20)
    assert (shown["rows"], shown["total_count"], shown["page_no"]) == ([], 17, page_no)


def test_before_the_first_import_there_are_no_rows(api_of_table: Api) -> None:
    source = api_of_table.add(**DEALS)
    assert page(api_of_table, source, 1, 20)["rows"] == []
    write_table(api_of_table.context.warehouse, "another", [3])
    assert page(api_of_table, source, 1, 20) == {"rows": [], "total_count": 0, "page_no": 1, "page_size": 20}


def test_a_client_that_pages_during_an_import_sees_every_row_once(api_of_table: Api) -> None:
    source = deals(api_of_table, 500)
    before = expected_titles(api_of_table, source)
    ended = threading.Event()

    def grow() -> None:
        for _ in range(4):
            write_table(api_of_table.context.warehouse, source.slug, [400, 100])
        ended.set()

    importing = threading.Thread(target=grow)
    importing.start()
    seen: list[str] = []
    page_no = 0
    while not (ended.is_set() and page_no * 100 >= page(api_of_table, source, 1, 1)["total_count"]):
        page_no += 1
        seen += [row["title"] for row in page(api_of_table, source, page_no, 100, format="flat")["rows"]]
    importing.join()
    assert seen[: len(before)] == before
    assert seen == expected_titles(api_of_table, source)


HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(KIND != "duckdb", reason="is of a DuckDB file")
def test_calls_wait_while_another_process_has_the_file(api_of_table: Api) -> None:
    source = deals(api_of_table, 50)
    path = str(api_of_table.context.warehouse.path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as held:
        assert held.stdout
        assert held.stdin
        held.stdout.readline()
        with ThreadPoolExecutor(12) as clients:
            waiting = [clients.submit(page, api_of_table, source, number % 3 + 1, 20) for number in range(12)]
            time.sleep(0.5)
            assert not any(one.done() for one in waiting)
            held.stdin.write(b"\n")
            held.stdin.flush()
            assert [one.result(timeout=30)["total_count"] for one in waiting] == [42] * 12


def test_readers_without_end_do_not_keep_an_import_out(api_of_table: Api) -> None:
    source = deals(api_of_table, 5_000)
    stop = threading.Event()

    def read() -> int:
        calls = 0
        while not stop.is_set():
            page(api_of_table, source, 3, 100)
            calls += 1
        return calls

    with ThreadPoolExecutor(6) as clients:
        reading = [clients.submit(read) for _ in range(6)]
        try:
            began = time.monotonic()
            for _ in range(5):
                write_table(api_of_table.context.warehouse.with_patience(10), source.slug, [10])
            seconds = time.monotonic() - began
        finally:
            stop.set()
        assert all(one.result() > 0 for one in reading)
    assert seconds < 10


def test_differences_are_those_of_the_command(api_of_table: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api, warehouse = api_of_table, api_of_table.context.warehouse
    source = deals(api, 3)
    asked = f"/sources/{source.id}/diff"
    day = {"from": "2026-11-01", "to": "2026-11-02T00:00:00Z"}
    assert api.get(asked, params=day).status_code == 409
    with warehouse.writing() as connection:
        prepare_history(connection, source.slug, "BIGINT", COLUMNS, FIRST_COMMIT)
        history, key = quoted(HISTORY, source.slug), "SELECT min(_id) FROM pipedrive_history." + source.slug
        connection.execute(
            f"UPDATE {history} SET _valid_to = $now WHERE _id = ({key})", {"now": FIRST_COMMIT + HOUR}
        )
        connection.execute(
            f"INSERT INTO {history} SELECT * REPLACE (_valid_to AS _valid_from, NULL AS _valid_to, "
            f"'Renamed' AS title) FROM {history} WHERE _valid_to IS NOT NULL"
        )
    found = api.get(asked, params=day | {"from": "2026-11-01T00:30:00Z"})
    assert found.status_code == 200, found.text
    data = found.json()["data"]
    assert [data[name] for name in ("came", "went", "changed")] == [0, 0, 1]
    assert [(one["property"], one["new"]) for one in data["differences"]] == [("title", "Renamed")]

    monkeypatch.setenv("PIPEDRIVE_WAREHOUSE", warehouse.database)
    if warehouse.lake is not None:
        monkeypatch.setenv("PIPEDRIVE_WAREHOUSE_DATA", warehouse.lake.data or "")
    monkeypatch.setenv("PIPEDRIVE_PROJECT", str(api.store.project))
    command = ["diff", source.slug, "--from", "2026-11-01T00:30", "--to", "2026-11-02", "--json"]
    said = json.loads(CliRunner().invoke(app, command).output)
    instants = ("from", "to", "known_from")
    assert {name: datetime.fromisoformat(said.pop(name)) for name in instants} == {
        name: datetime.fromisoformat(data.pop(name)) for name in instants
    }
    assert said == data
    wrong = api.get(asked, params={"from": "2026-11-03", "to": "2026-11-02"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "from")
    assert api.get(asked, params={"from": "yesterday"}).status_code == 400
    assert api.get(asked, params={"from": "12345"}).status_code == 400
