"""The Python API, as a notebook uses it: rows of an imported account, and imports of it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import yaml

import pipedrive_orchestration as p
from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.importing import Pull, windows_until
from pipedrive_orchestration.importing import import_source as import_directly
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.template import lay_out
from pipedrive_orchestration.warehouse import Warehouse

if TYPE_CHECKING:  # it takes half a second, and every process of the tests collects this file
    import pandas as pd

CHECKOUT = Path(__file__).parents[1]
READ = ("all_deals", "all_persons", "leads_once", "stages")


@pytest.fixture(scope="module")
def folder(demo: DemoServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which some sources of the template have been imported."""
    folder = tmp_path_factory.mktemp("library")
    lay_out(folder)
    settings = settings_of(folder, demo)
    for source in p.list_sources(settings=settings):
        if source.slug in READ:
            import_directly(
                source,
                connection=Connection.from_settings(settings),
                warehouse=Warehouse.from_settings(settings),
                staging=folder / "staging",
                pull=Pull.WINDOW,
                windows=windows_until(source, datetime.now(UTC)) if source.type.partitioned else (),
            )
    return folder


def settings_of(folder: Path, demo: DemoServer) -> p.Settings:
    return p.Settings.from_variables(
        {
            "PIPEDRIVE_API_URL": demo.url,
            "PIPEDRIVE_API_TOKEN": demo.token,
            "PIPEDRIVE_PROJECT": str(folder / "project"),
            "PIPEDRIVE_WAREHOUSE": str(folder / "data" / "warehouse.duckdb"),
            "DAGSTER_HOME": str(folder),
        }
    )


@pytest.fixture
def settings(folder: Path, demo: DemoServer) -> p.Settings:
    return settings_of(folder, demo)


def fetched(settings: p.Settings, query: str) -> list[dict[str, Any]]:
    """The rows as DuckDB itself gives them."""
    with p.open_warehouse(settings=settings) as connection:
        relation = connection.sql(query)
        return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def plain(value: Any) -> Any:
    """A value of pandas as DuckDB gives it."""
    import pandas as pd  # noqa: PLC0415 - as above

    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return None if value is None or value is pd.NaT or value is pd.NA or value != value else value


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): plain(value) for key, value in row.items()} for row in frame.to_dict("records")]


def as_days(rows: list[dict[str, Any]], days: set[str]) -> list[dict[str, Any]]:
    """pandas has no days: it has their midnights."""
    return [{key: v.date() if key in days and v is not None else v for key, v in row.items()} for row in rows]


@pytest.mark.parametrize("slug", READ)
def test_rows_are_those_of_the_table(settings: p.Settings, slug: str) -> None:
    frame = p.read(slug, settings=settings)
    table = fetched(settings, f"FROM pipedrive.{slug} WHERE _is_current ORDER BY _id")
    left_out = {"_is_current", "_removed_at", "_removal"}
    expected = [{key: value for key, value in row.items() if key not in left_out} for row in table]
    days = {row["name"] for row in types(settings, slug) if row["type"] == "DATE"}
    found = as_days(rows_of(frame.sort_values("_id", key=lambda ids: ids.map(str_or_number))), days)
    assert found == sorted(expected, key=lambda row: str_or_number(row["_id"]))
    assert len(found) > 3
    assert str(frame["_imported_at"].dtype) == "datetime64[us, UTC]"


def str_or_number(value: Any) -> Any:
    return str(value) if isinstance(value, uuid.UUID) else value


def types(settings: p.Settings, slug: str) -> list[dict[str, Any]]:
    return fetched(
        settings,
        f"SELECT column_name AS name, data_type AS type FROM duckdb_columns() WHERE table_name = '{slug}' "
        "AND schema_name = 'pipedrive'",
    )


def test_integers_stay_integers_where_some_are_missing(settings: p.Settings) -> None:
    with p.open_warehouse(settings=settings) as connection:
        counted = connection.execute("SELECT count(*), count(org_id) FROM pipedrive.all_persons").fetchone()
    assert counted is not None
    assert counted[0] > counted[1] > 0, "some persons have no organization"
    assert str(p.read("all_persons", settings=settings)["org_id"].dtype) == "Int64"


def test_labels_are_those_of_the_view(settings: p.Settings) -> None:
    frame = p.read("all_deals", labels=True, settings=settings)
    view = fetched(settings, "FROM pipedrive_labeled.all_deals")
    assert list(frame.columns) == list(view[0])
    assert sorted(map(str, frame["Title"])) == sorted(row["Title"] for row in view)


@pytest.mark.parametrize("labels", [False, True])
def test_arrow_carries_the_same_rows_and_may_be_taken_twice(settings: p.Settings, labels: bool) -> None:
    table = p.read_arrow("leads_once", labels=labels, settings=settings)
    frame = p.read("leads_once", labels=labels, settings=settings)
    for _ in range(2):
        stream = Taken(table)  # noqa: F841 - DuckDB finds it by its name
        with duckdb.connect() as other:
            other.execute("SET TimeZone = 'UTC'")
            taken = other.sql("FROM stream")
            assert taken.columns == list(frame.columns)
            assert len(taken.fetchall()) == len(frame) > 3
    if not labels:
        declared = {row["name"]: row["type"] for row in types(settings, "leads_once")}
        assert {name: str(kind) for name, kind in zip(table.columns, table.types, strict=True)} == {
            name: declared[name] for name in table.columns
        }


class Taken:
    """What another library sees of an Arrow table."""

    def __init__(self, table: duckdb.DuckDBPyRelation) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


def test_the_database_is_free_while_the_rows_are_used(settings: p.Settings) -> None:
    frame, table = p.read("stages", settings=settings), p.read_arrow("stages", settings=settings)
    with Warehouse.from_settings(settings).with_patience(0).writing() as connection:
        connection.execute("CREATE OR REPLACE TABLE theirs AS SELECT 1")
    assert len(frame) == len(table) > 3


def test_a_source_without_rows_says_how_to_get_them(settings: p.Settings, tmp_path: Path) -> None:
    with pytest.raises(p.NotImportedError, match=r"users has not been imported yet.* import users"):
        p.read("users", settings=settings)
    with pytest.raises(p.WarehouseError, match="There is no database at"):
        p.read("users", settings=p.Settings(warehouse=str(tmp_path / "none.duckdb")))


def test_sources_are_those_with_a_valid_file(settings: p.Settings, folder: Path) -> None:
    bad = folder / "project" / "sources" / "bad.yaml"
    bad.write_text("name: 7")
    try:
        slugs = [source.slug for source in p.list_sources(settings=settings)]
    finally:
        bad.unlink()
    assert slugs == sorted(path.stem for path in bad.parent.glob("*.yaml"))


def test_the_settings_are_those_of_the_working_folder(
    folder: Path, demo: DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for name in ("PIPEDRIVE_PROJECT", "PIPEDRIVE_WAREHOUSE", "PIPEDRIVE_API_TOKEN", "PIPEDRIVE_API_URL"):
        monkeypatch.delenv(name, raising=False)
    assert len(p.read("stages")) > 3
    assert "stages" in {source.slug for source in p.list_sources()}


@pytest.fixture
def body() -> dict[str, Any]:
    written = (CHECKOUT / "project" / "sources" / "stages.yaml").read_text()
    read: dict[str, Any] = yaml.safe_load(written)
    return read


def test_a_preview_works_where_an_event_loop_runs(settings: p.Settings, body: dict[str, Any]) -> None:
    async def cell() -> tuple[int, int]:
        shown, drafted = p.preview("stages", settings=settings), p.preview(body, settings=settings)
        return shown.total_results, drafted.total_results

    of_source, of_body = asyncio.run(cell())
    assert of_source == of_body == len(p.read("stages", settings=settings))
    asked = {key: body[key] for key in ("object_type", "properties")}
    assert p.preview(asked, settings=settings).total_results == of_body


def test_a_preview_names_all_that_is_wrong(settings: p.Settings, body: dict[str, Any]) -> None:
    with pytest.raises(p.InvalidBodyError) as problems:
        p.preview({**body, "properties": [], "object_type": "stagess"}, settings=settings)
    assert {problem.field for problem in problems.value.problems} == {"properties", "object_type"}
    with pytest.raises(p.UnknownSourceError, match="stages"):
        p.preview("stage", settings=settings)


@pytest.fixture
def misleading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder and an environment that name another account and database."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("PIPEDRIVE_API_URL=http://127.0.0.1:9\nPIPEDRIVE_STAGING=/dev/null/x\n")
    monkeypatch.setenv("PIPEDRIVE_API_TOKEN", "wrong")


@pytest.mark.usefixtures("misleading")
def test_an_import_goes_by_the_settings_alone(settings: p.Settings) -> None:
    entry = p.import_source("pipelines", settings=settings)
    assert (entry.source, entry.status, entry.rows_inserted) == ("pipelines", "succeeded", entry.rows_read)
    assert len(p.read("pipelines", settings=settings)) == entry.rows_read > 0
    assert (settings.home / ".state" / "storage").is_dir(), "Dagster knows of it"
    assert not (Path.cwd() / ".state").exists()


@pytest.mark.usefixtures("misleading")
def test_an_import_that_fails_says_what_the_command_says(settings: p.Settings) -> None:
    with pytest.raises(p.ImportFailedError, match="Did you mean `stages`"):
        p.import_source("stagges", pull="window", settings=settings)


def test_importing_the_package_costs_nothing() -> None:
    asked = "import sys, pipedrive_orchestration; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    imported = {name.partition(".")[0] for name in ended.stdout.split()}
    assert "pipedrive_orchestration" in imported
    assert not imported - sys.stdlib_module_names - {"pipedrive_orchestration", *builtin_hooks()}


def builtin_hooks() -> Iterator[str]:
    """What the start of Python itself imports here."""
    ended = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    yield from (name.partition(".")[0] for name in ended.stdout.split())


def test_every_public_name_is_there_and_documented() -> None:
    manual = (CHECKOUT / "docs" / "python.md").read_text()
    for name in p.__all__:
        assert getattr(p, name) is not None
        assert name in manual, name
    assert set(p.__all__) <= set(dir(p))
    with pytest.raises(AttributeError, match="has no attribute 'reed'"):
        _ = p.reed


def test_the_version_is_that_of_the_package() -> None:
    declared = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
    assert p.__version__ == declared
