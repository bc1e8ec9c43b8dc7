"""Private interfaces of Dagster stay in one package, which says on what version they were tried."""

from __future__ import annotations

import ast
import inspect
import multiprocessing
import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy
from alembic.script import ScriptDirectory
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.execution import compute_logs
from dagster._core.storage.defs_state.base import set_defs_state_storage
from dagster._core.storage.defs_state.blob_storage_state_storage import UPathDefsStateStorage
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.sql import get_alembic_config
from dagster._grpc.__generated__.dagster_api_pb2 import ReloadCodeWithStateReply
from dagster._grpc.impl import core_execute_run
from dagster._grpc.server import DagsterApiServer
from dagster._serdes.config_class import ConfigurableClassData

import pipedrive_orchestration
from pipedrive_orchestration.services import dagster_internals
from pipedrive_orchestration.services.dagster_internals import snapshots, sqlite
from pipedrive_orchestration_tests.instances import dagster_instance

PACKAGE = Path(pipedrive_orchestration.__file__).parent
HOME = Path(dagster_internals.__file__).parent
PUBLIC = ("dagster", "dagster.components", "dagster_celery.launcher", "dagster_dbt", "dagster_duckdb")
"""The modules from which everybody may import what they export; a `dagster.yaml` names the launcher's."""


def private_imports(code: str) -> Iterator[str]:
    """What a module imports of Dagster that it does not export, or in a way that does not tell."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if is_dagsters(alias.name) and alias.name not in PUBLIC:
                    yield alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and is_dagsters(node.module):
            for alias in node.names:
                if node.module not in PUBLIC or not is_exported(node.module, alias.name):
                    yield f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Attribute) and ast.unparse(node).startswith(("dg._", "dagster._")):
            yield ast.unparse(node)


def is_dagsters(module: str) -> bool:
    return module.split(".", maxsplit=1)[0].startswith("dagster")


def is_exported(module: str, name: str) -> bool:
    return not name.startswith("_") and hasattr(import_module(module), name)


def test_no_other_module_imports_a_private_interface_of_dagster() -> None:
    found = {
        str(path.relative_to(PACKAGE)): list(private_imports(path.read_text(encoding="utf-8")))
        for path in PACKAGE.rglob("*.py")
        if HOME not in path.parents
    }
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "code",
    [
        "from dagster._core.errors import DagsterError",
        "import dagster._core.errors",
        "from dagster.components.core.component_tree import ComponentTree",
        "from dagster import _check",
        "import dagster as dg\ndg._core",
        "from dagster_graphql.implementation import utils",
    ],
)
def test_a_private_import_would_be_found(code: str) -> None:
    assert list(private_imports(code))


def test_the_module_was_tried_on_the_dagster_that_is_installed() -> None:
    tried = re.search(r"Tried on Dagster ([0-9.]+[0-9])", dagster_internals.__doc__ or "")
    assert tried is not None
    assert tried[1].split(".")[:2] == version("dagster").split(".")[:2], "try it on this one"


def test_sqlite_is_waited_for_a_minute(tmp_path: Path) -> None:
    """Dagster alone gives up after five seconds, while a backup may hold its file for longer."""
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/runs.db")
    with engine.connect() as connection:
        waits = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
    engine.dispose()
    assert waits == sqlite.SQLITE_WAIT_SECONDS * 1000


def test_what_a_run_prints_shows_at_once_and_whole(tmp_path: Path) -> None:
    output = tmp_path / "output"
    reading, writing = os.pipe()
    with os.fdopen(reading, encoding="utf-8") as shown:
        with os.fdopen(writing, "w", encoding="utf-8") as stream:
            print("before", file=stream)
            with compute_logs.mirror_stream_to_file(stream, str(output)):
                print("at once", file=stream, flush=True)
                assert [shown.readline(), shown.readline()] == ["before\n", "at once\n"]
                print("at the end", file=stream)
            print("afterwards", file=stream)
        assert shown.read() == "at the end\nafterwards\n"
    assert output.read_text() == "at once\nat the end\n"


def test_a_run_goes_on_where_nobody_reads_what_it_prints(tmp_path: Path) -> None:
    output = tmp_path / "output"
    reading, writing = os.pipe()
    os.close(reading)
    with (
        os.fdopen(writing, "w", encoding="utf-8") as stream,
        compute_logs.mirror_stream_to_file(stream, str(output)),
    ):
        print("unheard", file=stream)
    assert output.read_text() == "unheard\n"


def test_what_loads_definitions_for_a_run_knows_its_assets() -> None:
    """Looked for in the function that executes a run, whose parameter it is."""
    assert "dagster_run" in inspect.signature(core_execute_run).parameters
    key = dg.AssetKey(["pipedrive", "deals"])
    namespace: dict[str, Any] = {"__name__": core_execute_run.__module__}
    exec("def core_execute_run(dagster_run, load): return load()", namespace)
    execute = namespace["core_execute_run"]
    load = dagster_internals.assets_of_this_run
    assert load() is None
    assert execute(dg.DagsterRun(job_name="a job", asset_selection=frozenset([key])), load) == {key}
    assert execute(dg.DagsterRun(job_name="a job"), load) is None


@pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux only")
def test_a_code_server_that_is_being_made_forks_its_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """How it starts a run is an attribute that it has set itself by then."""
    assert "self._mp_ctx.Process(" in inspect.getsource(DagsterApiServer.StartRun)
    monkeypatch.setattr(DagsterApiServer, "_mp_ctx", None, raising=False)
    server = DagsterApiServer.__new__(DagsterApiServer)
    server._mp_ctx = multiprocessing.get_context("spawn")
    dagster_internals.fork_runs("json")
    assert server._mp_ctx.get_start_method() == "forkserver"
    server._mp_ctx = multiprocessing.get_context("spawn")
    assert server._mp_ctx.get_start_method() == "forkserver"


class OldCodeServer:
    """One of a Dagster that knows no snapshots, or whose definitions cannot be loaded."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def reload_code_with_state(self, serialized_defs_state_info: str) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (ReloadCodeWithStateReply(serialized_server_id="new"), True),
        (ReloadCodeWithStateReply(serialized_error="an error"), False),
        (DagsterUserCodeUnreachableError("unimplemented"), False),
    ],
)
def test_a_code_server_that_cannot_show_a_snapshot_is_told_from_one_that_does(
    answer: Any, shown: bool
) -> None:
    with dagster_instance() as instance:
        assert dagster_internals.show_snapshots(OldCodeServer(answer), instance) is shown


def test_revisions_are_read_once_in_a_process() -> None:
    one, other = (
        ScriptDirectory.from_config(get_alembic_config(sqlite_event_log.__file__)) for _ in range(2)
    )
    assert one is other
    assert one.get_current_head()


def kept_in(folder: Path) -> UPathDefsStateStorage:
    data = ConfigurableClassData("dagster", "UPathDefsStateStorage", f"base_path: {folder}")
    return UPathDefsStateStorage.from_config_value(data, {"base_path": str(folder)})


def test_old_snapshots_go_but_for_the_last_and_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "KEPT_SNAPSHOTS", 2)
    folder = tmp_path / "ImportSources"
    folder.mkdir()
    now = datetime.now(UTC)
    for days, name in ((9, "oldest"), (8, "old"), (2, "new"), (1, "last but one"), (0, "last")):
        (folder / name).touch()
        written = (now - timedelta(days=days)).timestamp()
        os.utime(folder / name, (written, written))
    with set_defs_state_storage(kept_in(tmp_path)):
        dagster_internals.forget_old_snapshots("ImportSources", now)
        dagster_internals.forget_old_snapshots("another", now)
    assert {path.name for path in folder.iterdir()} == {"new", "last but one", "last"}
