"""What a client is told of a published copy, through the protocol's official client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import duckdb
import pytest
from mcp import Client
from mcp.types import TextContent

from pipedrive_orchestration.mcp import copy_reader, query_process
from pipedrive_orchestration.mcp.copy_reader import CopyReader
from pipedrive_orchestration.mcp.server import make_server
from pipedrive_orchestration.models.catalogue import Entry, keep_entries
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse.publish import Publisher
from pipedrive_orchestration_tests.chaos.sizes import sample
from pipedrive_orchestration_tests.exactness.trial import Trial, small_trial

TOOLS = {"list_tables", "describe_table", "query", "list_models", "model", "search", "changes"}
MARK = "Zoë's own deal"


@dataclass(frozen=True)
class Published:
    """A copy, and what is known of it."""

    path: Path
    reader: CopyReader
    sources: list[Source]
    deal: int
    removed: int
    before: datetime

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        failed, answer, text = call(self.reader, tool, arguments, self.sources)
        assert not failed, text
        return answer

    def refused(self, tool: str, reader: CopyReader | None = None, **arguments: Any) -> str:
        failed, _, text = call(reader or self.reader, tool, arguments)
        assert failed, text
        return text


def call(
    copy: CopyReader, tool: str, arguments: dict[str, Any], sources: Sequence[Source] = ()
) -> tuple[bool, dict[str, Any], str]:
    """Whether a call failed, what it gave, and the text of that."""

    async def called() -> tuple[bool, dict[str, Any], str]:
        async with Client(make_server(copy, lambda: sources)) as client:
            result = await client.call_tool(tool, arguments)
            (content,) = result.content
            assert isinstance(content, TextContent)
            return bool(result.is_error), result.structured_content or {}, content.text

    return anyio.run(called)


@pytest.fixture(scope="module")
def published() -> Iterator[Published]:
    with small_trial(100) as trial:
        yield publish(trial)


def publish(trial: Trial) -> Published:
    """Deals with versions and persons, of which one each came and went after an instant, and a model."""
    write, clock = trial.demo.write, trial.demo.account.clock
    deals = trial.wide_source("deals", name="All deals", options={"history": True})
    persons = trial.wide_source("persons", name="All persons")
    for source in (deals, persons):
        trial.windows(source)
        trial.changes(source)
    old = next(
        one
        for one in trial.demo.account.records("deals")
        if one["status"] == "open" and not (one["is_deleted"] or one["is_archived"])
    )
    gone = write("POST", "/api/v2/persons", {"name": "Soon gone"})["id"]
    trial.changes(persons)
    clock.advance(timedelta(minutes=10))
    before = trial.clock()
    clock.advance(timedelta(minutes=10))
    deal = write("POST", "/api/v2/deals", {"title": MARK})["id"]
    write("PATCH", f"/api/v2/deals/{old['id']}", {"status": "won"})
    write("DELETE", f"/api/v2/persons/{gone}")
    for source in (deals, persons):
        trial.changes(source)
    with trial.warehouse.writing() as connection:
        connection.execute("CREATE SCHEMA models")
        connection.execute("CREATE TABLE models.board AS SELECT 'Lead in' AS stage, 3 AS deals")
        connection.execute("COMMENT ON TABLE models.board IS 'Deals by stage'")
        keep_entries(
            connection,
            [Entry("board", "Deals by stage", {"deals": "How many"}, None, clock.now(), "select stage ...")],
        )
    copy = Publisher(trial.warehouse, trial.folder / "published.duckdb").publish()
    return Published(copy.path, CopyReader(copy.path, 60), [deals, persons], deal, gone, before)


def test_a_client_finds_tools_that_only_read(published: Published) -> None:
    async def listed() -> None:
        async with Client(make_server(CopyReader(published.path))) as client:
            tools = (await client.list_tools()).tools
            assert {tool.name for tool in tools} == TOOLS
            for tool in tools:
                assert tool.annotations is not None
                assert tool.annotations.read_only_hint
                assert tool.description
                assert tool.output_schema

    anyio.run(listed)


def test_tables_are_listed_with_what_they_are_and_of_when(published: Published) -> None:
    answer = published.call("list_tables")
    by_name = {one["name"]: one for one in answer["tables"]}
    assert by_name["pipedrive_labeled.deals"]["about"] == "All deals (deals)"
    assert by_name["pipedrive.deals"]["rows"] > 0
    assert by_name["models.board"]["about"] == "Deals by stage"
    assert {"pipedrive", "pipedrive_labeled", "pipedrive_history", "models"} <= set(answer["schemas"])
    freshness = answer["freshness"]
    assert set(freshness["sources"]) == {"deals", "persons"}
    assert datetime.fromisoformat(freshness["sources"]["deals"]) >= published.before.replace(microsecond=0)
    assert freshness["committed_at"] <= freshness["published_at"]
    only = published.call("list_tables", schema="models")["tables"]
    assert {one["name"] for one in only} == {"models.board", "models._models"}


def test_a_table_is_described_by_labels_types_and_options(published: Published) -> None:
    answer = published.call("describe_table", name="pipedrive.deals")
    columns = {one["name"]: one for one in answer["columns"]}
    assert columns["title"] == {"name": "title", "type": "VARCHAR", "comment": "Title (varchar)"}
    assert {"id": "won", "label": "Won"} in columns["status"]["options"]
    assert answer["source"]["object_type"] == "deals"
    assert list(answer["freshness"]["sources"]) == ["deals"]
    assert "list_tables" in published.refused("describe_table", name="pipedrive.nothing")


def test_sql_is_answered_with_types_and_no_more_rows_than_asked_for(published: Published) -> None:
    answer = published.call("query", sql="SELECT _id, title FROM pipedrive.deals ORDER BY _id DESC", limit=2)
    assert answer["columns"] == ["_id", "title"]
    assert answer["types"] == ["BIGINT", "VARCHAR"]
    assert answer["rows"][0] == [published.deal, MARK]
    assert (len(answer["rows"]), answer["is_whole"]) == (2, False)
    assert list(answer["freshness"]["sources"]) == ["deals"]
    assert published.call("query", sql="VALUES (1), (2)", limit=2)["is_whole"]


def test_values_of_every_type_come_as_json(published: Published) -> None:
    sql = """SELECT 1.5::DECIMAL(9, 2), 12345678901234567.89::DECIMAL(20, 2), 'nan'::FLOAT, DATE '2026-05-20',
        TIMESTAMPTZ '2026-05-20 10:00:00+02', {'a': [1, NULL]}, MAP {'k': true}, '\\xAA'::BLOB,
        repeat('x', 5000), INTERVAL 2 HOUR, NULL; -- whatever follows"""
    (row,) = published.call("query", sql=sql)["rows"]
    assert row[:7] == [
        1.5, "12345678901234567.89", "nan", "2026-05-20", "2026-05-20T08:00:00+00:00", {"a": [1, None]},
        {"k": True},
    ]  # fmt: skip
    assert row[8].endswith("(5,000 characters)")
    assert row[9:] == ["2:00:00", None]


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM pipedrive.deals",
        "CREATE TABLE models.mine AS SELECT 1",
        "COPY pipedrive.deals TO '/tmp/out.csv'",
        "ATTACH '/tmp/other.duckdb'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "CHECKPOINT",
        "EXPLAIN SELECT 1",
        "SELECT 1; SELECT 2",
        "",
    ],
)
def test_no_other_statement_than_one_query_is_begun(sql: str) -> None:
    question = {"sql": sql, "parameters": {}, "rows": 1, "bytes": 1_000}
    with duckdb.connect() as connection, pytest.raises(query_process.RefusedError):
        query_process.answer(connection, question)


@pytest.mark.parametrize(
    "sql",
    sample(
        (
            "SELECT * FROM read_csv('/etc/passwd')",
            "SELECT * FROM read_text('/proc/self/environ')",
            "SELECT * FROM glob('/*')",
            "SELECT * FROM 'https://example.com/x.parquet'",
            "FROM published",
            "SELECT nonsense FROM",
        ),
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT nonsense FROM",
    ),
)
def test_no_file_no_address_and_no_variable_is_within_reach(published: Published, sql: str) -> None:
    assert published.refused("query", sql=sql)


def test_the_file_of_the_copy_itself_cannot_be_read_as_a_file(published: Published) -> None:
    # DuckDB allows the files of a database that it has open; the process cannot open any.
    assert published.refused("query", sql=f"SELECT content FROM read_blob('{published.path}')")


def test_what_takes_too_long_or_too_much_is_ended(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = "SELECT count(*) FROM range(100_000_000_000) AS a(i), range(1_000) AS b(j) WHERE i * j = 7"
    assert "longer than 0.5 s" in published.refused("query", CopyReader(published.path, 0.5), sql=endless)
    monkeypatch.setattr(copy_reader, "MOST_MEMORY", 2**30)
    assert published.refused("query", sql="SELECT list(i) FROM range(1_000_000_000) AS r(i)")
    wide = published.call("query", sql="SELECT repeat('x', 1900) FROM range(1000)", limit=1000)
    assert 50 < len(wide["rows"]) < 200
    assert not wide["is_whole"]


def test_models_are_shown_with_their_meaning_and_query(published: Published) -> None:
    listed = published.call("list_models")["models"]
    assert [(one["name"], one["description"]) for one in listed] == [("board", "Deals by stage")]
    model = published.call("model", name="board")
    assert model["column_descriptions"] == {"deals": "How many"}
    assert model["sql"] == "select stage ..."
    assert (model["columns"], model["rows"]) == (["stage", "deals"], [["Lead in", 3]])
    assert "board" in published.refused("model", name="none")


def test_records_are_found_by_a_text_whatever_its_case(published: Published) -> None:
    answer = published.call("search", text=MARK.upper())
    (found,) = answer["records"]
    assert (found["source"], found["id"], found["name"]) == ("deals", str(published.deal), MARK)
    assert "title" in found["found_in"]
    assert published.call("search", text=MARK, sources=["persons"])["records"] == []
    assert published.call("search", text="Soon gone")["records"] == []
    assert "deals, persons" in published.refused("search", text=MARK, sources=["companies"])


def test_what_changed_since_an_instant_is_counted_and_named(published: Published) -> None:
    since = published.before.isoformat()
    counted = {one["source"]: one for one in published.call("changes", since=since)["counts"]}
    assert counted["deals"] == {"source": "deals", "came": 1, "changed": 1, "went": 0}
    assert counted["persons"]["went"] == 1
    deals = published.call("changes", since=since, source="deals")
    assert {(one["kind"], one["name"]) for one in deals["records"]} >= {("came", MARK)}
    assert ("status", "open", "won") in {
        (one["property"], one["old"], one["new"]) for one in deals["properties"]
    }
    persons = published.call("changes", since=since, source="persons")
    assert [(one["id"], one["reason"]) for one in persons["records"] if one["kind"] == "went"] == [
        (published.removed, "deleted")
    ]
    assert persons["properties"] is None
    later = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
    assert published.call("changes", since=later.isoformat())["counts"] == []


def test_without_a_copy_a_call_says_what_to_do(tmp_path: Path, published: Published) -> None:
    failed, _, text = call(CopyReader(tmp_path / "copy.duckdb"), "list_tables", {})
    assert failed
    assert "pipedrive-orchestration publish" in text
    live = tmp_path / "live.duckdb"
    live.write_bytes(published.path.read_bytes())
    failed, _, text = call(CopyReader(live), "list_tables", {})
    assert failed
    assert "no published copy" in text
