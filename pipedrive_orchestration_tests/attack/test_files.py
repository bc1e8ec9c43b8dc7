"""Files that others have made: names of contents, rows to be written, links, and packed answers."""

from __future__ import annotations

import gzip
import threading
import unicodedata
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.importing.contents import safe_name
from pipedrive_orchestration.sources import InvalidBodyError
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.workflows.actions import http
from pipedrive_orchestration.workflows.actions.errors import ActionError
from pipedrive_orchestration.workflows.actions.reach import Reach
from pipedrive_orchestration.workflows.model import HttpAction
from pipedrive_orchestration.writing import match
from pipedrive_orchestration.writing.match import Matcher
from pipedrive_orchestration.writing.model import Write, WriteFile
from pipedrive_orchestration.writing.spreadsheets import headers_of
from pipedrive_orchestration.writing.store import problems_of_links
from pipedrive_orchestration_tests.chaos.sizes import BODIES, FULL, sample

NAMES = (
    "../../etc/passwd", "..\\..\\boot.ini", "/etc/passwd", "C:\\x", "..", ".", "", " ", "a\x00b.pdf",
    "a\nb.pdf", "\u202efdp.exe", "con", "nul.txt", ".htaccess", "-rf", "~root", "$(id)", "`id`", "a" * 5000,
    "ﷺ" * 300, "x.<script>", "a/b/c", "\ud800", "name.\x1b[2J", "\u2215etc\u2215passwd", "..\u2024..",
)  # fmt: skip


@given(st.text(max_size=300) | st.sampled_from(NAMES))
@settings(max_examples=BODIES, deadline=None, derandomize=True)
def test_no_name_of_a_content_is_more_than_a_name(name: str) -> None:
    made = safe_name("7", name)
    assert Path("/files", made).parent == Path("/files")
    assert made == "7" or made.startswith("7-")
    assert len(made.encode("utf-8", "surrogatepass")) <= 255
    assert not any(unicodedata.category(letter)[0] == "C" for letter in made), made
    assert not set(made) & set('/\\:*?"<>|$`~ \n')


def write_of(**body: Any) -> Write:
    usual = {"name": "A", "object_type": "persons", "operation": "update", "match": {"id": "id"},
             "fields": {"name": "name"}}  # fmt: skip
    return Write.of("a", WriteFile.parse(usual | body))


@pytest.mark.parametrize(
    "file",
    ["../rows.csv", "/etc/rows.csv", "~/rows.csv", "a/../../rows.csv", "http://x/rows.csv", "C:\\rows.csv",
     "\\\\host\\rows.csv", "rows.xlsx", "s3://b/rows.parquet", "rows.csv\x00.json"],
)  # fmt: skip
def test_no_path_of_rows_leads_out_of_the_project(tmp_path: Path, file: str) -> None:
    (tmp_path / "rows.csv").write_text("id,name\n1,secret\n")
    project = tmp_path / "project"
    project.mkdir()
    try:
        found = problems_of_links(write_of(file=file), project, (), ())
    except InvalidBodyError as error:
        found = list(error.problems)
    assert [problem.field for problem in found] == ["file"]


def test_a_link_within_the_project_that_leads_out_of_it_is_not_followed(tmp_path: Path) -> None:
    project, secret = tmp_path / "project", tmp_path / "secret.csv"
    secret.write_text("id,name\n1,s3cr3t\n")
    (project / "rows").mkdir(parents=True)
    (project / "link.csv").symlink_to(secret)
    (project / "elsewhere").symlink_to(tmp_path)
    (project / "rows" / "own.csv").write_text("id,name\n1,x\n")
    (project / "own.csv").symlink_to("rows/own.csv")
    for file in ("link.csv", "elsewhere/secret.csv"):
        (problem,) = problems_of_links(write_of(file=file), project, (), ())
        assert problem.code == "outside"
        assert "s3cr3t" not in problem.message
    assert problems_of_links(write_of(file="own.csv"), project, (), ()) == []


def _workbook(folder: Path) -> Path:
    """A spreadsheet with a formula, an entity of another file, a link to another workbook and a bomb."""
    path = folder / "rows.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "xl/sharedStrings.xml", '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'
        )
        archive.writestr("xl/externalLinks/externalLink1.xml", "<a/>")
        archive.writestr("xl/worksheets/sheet1.xml", b"\0" * 2**20)
        archive.writestr("../../escaped", b"x")
    return path


def _cut(path: Path) -> bytes:
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT 1 AS id, 'x' AS name FROM range(1000)) TO '{path}'")
    return path.read_bytes()[:-8] + b"\xff\xff\xff\x7fPAR1"


HOSTILE: dict[str, Callable[[Path], bytes]] = {
    "zip.csv": lambda path: _workbook(path.parent).read_bytes(),
    "gzip.csv": lambda _: gzip.compress(b"id,name\n" + b"1,x\n" * 10**6),
    "nul.csv": lambda _: b"\0" * 10**6,
    "endless_line.csv": lambda _: b"id,name\n1," + b"x" * 10**7,
    "many_columns.csv": lambda _: ",".join(f"c{number}" for number in range(20_000)).encode() + b"\n",
    "open_quote.csv": lambda _: b'id,name\n1,"' + b"x\n" * 10**6,
    "deep.json": lambda _: b"[" * 100_000,
    "huge_number.json": lambda _: b'[{"id": 1e999, "name": "x"}]',
    "keys_twice.json": lambda _: b'[{"id": 1, "id": 2, "name": "x"}]',
    "cut.parquet": _cut,
    "no.parquet": lambda _: b"PAR1" + b"\xff" * 100 + b"PAR1",
}
"""Files by name, each with what makes its content."""


@pytest.mark.parametrize("name", sample(HOSTILE, "deep.json", "cut.parquet"))
def test_a_hostile_file_of_rows_is_a_sentence_or_rows(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(HOSTILE[name](path))
    said = ""
    try:
        headers = headers_of(path)
    except InvalidBodyError as error:
        headers, said = [], str(error)
    assert len(said) < 10_000
    assert bool(headers) != bool(said)


def test_a_workbook_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(InvalidBodyError, match="is a workbook: save its sheet as CSV"):
        headers_of(_workbook(tmp_path))
    assert not (tmp_path.parent.parent / "escaped").exists()


def test_rows_that_unpack_to_more_than_there_is_room_for_are_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(match, "MOST_ROOM", "20MB")
    path = tmp_path / "rows.parquet"
    thousands = 200 if FULL else 60
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT i AS id, repeat(md5((i % 100)::VARCHAR), 400) AS name "
            f"FROM range({thousands}000) AS r(i)) TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
        )
    assert path.stat().st_size < 10_000_000
    warehouse = Warehouse(str(tmp_path / "warehouse.duckdb"))
    with warehouse.writing():
        "It is made."
    matcher = Matcher.__new__(Matcher)
    matcher._write, matcher._project = write_of(file="rows.parquet"), tmp_path
    with pytest.raises(InvalidBodyError) as refused, warehouse.reading() as connection:
        matcher._load(connection, warehouse)
    assert "Out of Memory" in str(refused.value)
    assert {file.name for file in tmp_path.iterdir()} <= {
        "rows.parquet", "warehouse.duckdb", "warehouse.duckdb.lock", "warehouse.duckdb.tmp"
    }  # fmt: skip
    with warehouse.reading() as connection:
        assert connection.execute("SELECT current_setting('max_temp_directory_size')").fetchone() != (
            "19.0 MiB",
        )


def test_an_answer_that_unpacks_without_end_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_ANSWER_BYTES", 10**6)
    packed = gzip.compress(b'{"rows": []}' + b" " * 10**7)
    more = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            if self.path == "/slow":
                self.send_header("content-length", "100000")
                self.end_headers()
                while not more.wait(0.02):
                    self.wfile.write(b" ")
                return
            self.send_header("content-type", "application/json; charset=zlib")
            self.send_header("content-encoding", "gzip")
            self.send_header("content-length", str(len(packed)))
            self.end_headers()
            self.wfile.write(packed)

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                "The caller has gone, as it should."

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            for path, said in (("/packed", "MB"), ("/slow", "ReadTimeout")):
                address = f"http://127.0.0.1:{server.server_port}{path}"
                action = HttpAction.model_validate(
                    {"type": "http", "name": "post", "url": address, "tries": 1, "timeout": 1}
                )
                with pytest.raises(ActionError, match=said):
                    http.post(action, b"{}", "key", Reach.of({"PIPEDRIVE_PRIVATE_HOSTS": "127.0.0.1"}))
        finally:
            more.set()
            server.shutdown()
            thread.join()
