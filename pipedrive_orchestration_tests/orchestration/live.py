"""A Dagster that is really running: web server, daemon, code server and run workers, asked by GraphQL."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import httpx
import yaml

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.services.names import DEFAULT_NAMES, INITIAL_IMPORT_TAG, SOURCE_TAG
from pipedrive_orchestration.services.web_server import reload_sources
from pipedrive_orchestration_tests.clocks import STARTUP
from pipedrive_orchestration_tests.orchestration.live_project import SOURCES, WORKFLOWS

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("pipedrive-orchestration")
AS_A_JOB = ("sh", "-c", 'trap "" INT; exec "$0" "$@"')
"""A shell has what it runs in the background ignore Ctrl-C, and so does what that starts."""

LOCATION = "pipedrive_orchestration"
REPOSITORY = "__repository__"
T = TypeVar("T")

WINDOWS_PER_RUN = 30
"""More windows than the sources of live tests have, but for the one that is read in several runs."""

FINISHED = {"SUCCESS", "FAILURE", "CANCELED"}
BACKFILL_ENDED = {"COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED"}


def wait_for(what: str, look: Callable[[], T | None], seconds: float = 240, pause: float = 0.5) -> T:
    """What ``look`` finds, as soon as it finds something that is true.

    Raises:
        TimeoutError: It did not in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {seconds:.0f} s")
        time.sleep(pause)


def truth(account: DemoServer, collection: str) -> set[int]:
    """Ids of the records that an import without filter has to bring."""
    gone = ("is_deleted", "is_archived")
    return {
        record["id"]
        for record in account.account.records(collection)
        if not any(record.get(flag) for flag in gone)
    }


def tags(run: Mapping[str, Any]) -> dict[str, str]:
    """The tags of a run as Dagster tells them."""
    return {tag["key"]: tag["value"] for tag in run["tags"]}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class LiveDagster:
    """The command ``dev`` in a folder of its own, with the instance settings that the repository ships.

    Args:
        folder: holds the project, the warehouse and Dagster's state.
        account: what it imports from.
        environment: variables beside those that name account, project and warehouse.
    """

    def __init__(self, folder: Path, account: DemoServer, environment: Mapping[str, str] = {}) -> None:
        self.folder = folder
        self.port = free_port()
        self.project = folder / "project"
        self.warehouse = folder / "warehouse.duckdb"
        (self.project / "sources").mkdir(parents=True, exist_ok=True)
        self._write_settings()
        self._log = folder / "dagster.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("PIPEDRIVE_", "DAGSTER_"))
            },
            "DAGSTER_HOME": str(folder),
            "DAGSTER_DISABLE_TELEMETRY": "true",
            "PIPEDRIVE_API_URL": account.url,
            "PIPEDRIVE_API_TOKEN": account.token,
            "PIPEDRIVE_PROJECT": str(self.project),
            "PIPEDRIVE_WAREHOUSE": str(self.warehouse),
            "PYTHONPATH": f"{STARTUP}{os.pathsep}{ROOT}",
            "TEST_QUICK_DAEMON": "1",
            "TEST_QUICK_STORAGE": "1",
            **environment,
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _write_settings(self) -> None:
        settings = yaml.safe_load((ROOT / "dagster.yaml").read_text())
        # A killed run is looked for more often than every half minute, so that a test need not wait.
        settings["run_monitoring"] |= {"poll_interval_seconds": 2, "free_slots_after_run_end_seconds": 2}
        (self.folder / "dagster.yaml").write_text(yaml.safe_dump(settings))
        (self.folder / "workspace.yaml").write_text((ROOT / "workspace.yaml").read_text())

    def write(self, slug: str, **body: Any) -> None:
        (self.project / "sources" / f"{slug}.yaml").write_text(yaml.safe_dump(body))

    def write_workflow(self, slug: str, text: str) -> None:
        folder = self.project / "workflows"
        folder.mkdir(exist_ok=True)
        (folder / f"{slug}.yaml").write_text(text)

    def start(self) -> None:
        self._started_at = time.time()
        # One for all questions: to make a client takes 40 ms, most of it for certificates.
        self._client = httpx.Client(base_url=self.url, timeout=60, verify=False)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*AS_A_JOB, COMMAND, "dev", "--port", str(self.port)],
                cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_for("running Dagster", self._is_up, seconds=90)

    def _is_up(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"Dagster ended:\n{self.log()[-4000:]}")
        try:
            locations = self.ask(LOCATIONS)["entries"]
            daemons = self.ask(DAEMONS)["daemonHealth"]["allDaemonStatuses"]
        except (httpx.HTTPError, ValueError):
            return False
        return (
            bool(locations)
            and all(entry["loadStatus"] == "LOADED" for entry in locations)
            and all(daemon["healthy"] for daemon in daemons if daemon["required"])
        )

    def end(self) -> int:
        """Ends it as a service manager does; returns with which exit code it ended."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=60)

    def stop(self) -> None:
        """Ends every process of it at once, as a power cut would."""
        if self._process is None:
            return
        self._client.close()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def ask(self, query: str, **variables: Any) -> Any:
        """The one thing that a query asks for."""
        answer = self._client.post("/graphql", json={"query": query, "variables": variables})
        body = answer.json()
        if body.get("errors"):
            raise AssertionError(body["errors"])
        (data,) = body["data"].values()
        if data.get("__typename") in {"PythonError", "RunConfigValidationInvalid"}:
            raise AssertionError(data)
        return data

    def ask_location(self, query: str, **variables: Any) -> Any:
        """The same of something in the code location, which is not there while it is replaced.

        Raises:
            TimeoutError: it does not come.
        """
        return wait_for("answer of the code location", lambda: self.ask(query, **variables), seconds=60)

    def launch(
        self, job: str, config: Mapping[str, Any], *, assets: Sequence[str] = (), tags: Mapping[str, str] = {}
    ) -> str:
        """Launches a run as the Launchpad does, of a job or of some sources' assets; returns its id."""
        selector: dict[str, Any] = {**SELECTOR, "pipelineName": job}
        if assets:
            selector["assetSelection"] = [{"path": ["pipedrive", slug]} for slug in assets]
        execution = {
            "selector": selector,
            "runConfigData": config,
            "mode": "default",
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        launched = self.ask(LAUNCH, p=execution)
        return str(launched["run"]["runId"])

    def runs(self, **tags: str) -> list[dict[str, Any]]:
        """All runs with some tags, newest first."""
        wanted = [{"key": key, "value": value} for key, value in tags.items()]
        return list(self.ask(RUNS, f={"tags": wanted} if wanted else {})["results"])

    def first_import(self, slug: str) -> dict[str, Any] | None:
        """The run that has imported a source for the first time, once it has ended."""
        runs = [run for run in self.runs(**{SOURCE_TAG: slug}) if INITIAL_IMPORT_TAG in tags(run)]
        assert len(runs) <= 1
        return runs[0] if runs and runs[0]["status"] in FINISHED else None

    def run(self, run_id: str) -> dict[str, Any]:
        return dict(self.ask(RUN, id=run_id))

    def wait_for_run(self, run_id: str, seconds: float = 240) -> str:
        """The status in which a run ends."""

        def ended() -> str | None:
            status = str(self.run(run_id)["status"])
            return status if status in FINISHED else None

        try:
            return wait_for(f"end of run {run_id}", ended, seconds)
        except TimeoutError:
            raise TimeoutError(f"{self.run(run_id)}\n{self.log()[-6000:]}") from None

    def code_servers(self) -> set[int]:
        """The processes that hold the definitions; none where the system has no /proc."""
        found = set()
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # it has ended meanwhile
                command = file.read_bytes()
                if b"api\0grpc" in command and str(self.folder).encode() in command:
                    found.add(int(file.parent.name))
        return found

    def slugs(self) -> set[str]:
        """The sources that the code location shows."""
        nodes = self.ask_location(ASSETS, s=SELECTOR)["assetNodes"]
        return {node["assetKey"]["path"][1] for node in nodes if node["assetKey"]["path"][0] == "pipedrive"}

    def partitions(self, slug: str) -> dict[str, list[str]]:
        """The partition keys of a source: all, the green ones and the red ones."""
        node = self.ask_location(PARTITIONS, k={"path": ["pipedrive", slug]})
        ranges = node["assetPartitionStatuses"]["ranges"]
        keys = node["partitionKeys"]

        def of(status: str) -> list[str]:
            spans = [(span["startKey"], span["endKey"]) for span in ranges if span["status"] == status]
            return [key for key in keys if any(start <= key <= end for start, end in spans)]

        return {"all": keys, "green": of("MATERIALIZED"), "red": of("FAILED")}

    def backfill(self, slug: str, keys: Sequence[str], config: Mapping[str, Any] = {}) -> str:
        """Launches a backfill as the partitions page does; returns its id.

        The daemon learns of a reload a few seconds after the web server does. A backfill of what is new to
        it ends without a run until then, and is launched again.
        """
        parameters = {
            "assetSelection": [{"path": ["pipedrive", slug]}],
            "partitionNames": list(keys),
            "runConfigData": config,
        }

        def under_way() -> str | None:
            backfill_id = str(self.ask(BACKFILL, p=parameters)["backfillId"])
            state = wait_for("run of the backfill", lambda: self._begun_or_ended(backfill_id), seconds=90)
            return backfill_id if state["runs"] else None

        return wait_for("backfill of what the daemon knows", under_way, seconds=30, pause=1)

    def _begun_or_ended(self, backfill_id: str) -> dict[str, Any] | None:
        state = self.backfill_state(backfill_id)
        return state if state["runs"] or state["status"] in BACKFILL_ENDED else None

    def backfill_state(self, backfill_id: str) -> dict[str, Any]:
        return dict(self.ask(BACKFILL_STATE, id=backfill_id))

    def wait_for_backfill(self, backfill_id: str) -> dict[str, Any]:
        """What became of a backfill."""

        def ended() -> dict[str, Any] | None:
            state = self.backfill_state(backfill_id)
            return state if state["status"] in BACKFILL_ENDED else None

        return wait_for("end of the backfill", ended, seconds=90)

    def rows(self, slug: str) -> set[int]:
        """Ids of a source's current rows, each there once."""
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            found = connection.execute(f"SELECT _id FROM pipedrive.{slug} WHERE _is_current").fetchall()
        assert len(found) == len(set(found))
        return {row[0] for row in found}

    @staticmethod
    def selector(**of: str) -> dict[str, str]:
        """What names a schedule or sensor of the code location."""
        return {**SELECTOR, **of}

    def reload(self) -> None:
        """Lets the code location take a new snapshot of the project folder."""
        reload_sources(self.url, LOCATION, DEFAULT_NAMES.state_key)

    def evaluations_since_start(self, sensor: str) -> int:
        """How often a sensor was evaluated since Dagster was started last."""
        ticks = self.ask_location(SENSOR, s=self.selector(sensorName=sensor))["sensorState"]["ticks"]
        return sum(tick["timestamp"] > self._started_at and tick["status"] != "STARTED" for tick in ticks)

    def schedule(self, name: str) -> dict[str, Any]:
        """A schedule's state: id, status and ticks, newest first."""
        return dict(self.ask_location(SCHEDULE, s=self.selector(scheduleName=name))["scheduleState"])


def new_live_dagster(folder: Path, account: DemoServer) -> LiveDagster:
    """The Dagster that the tests share, before it is started: its project is that of `live_project`."""
    live = LiveDagster(folder, account, {"PIPEDRIVE_WINDOWS_PER_RUN": str(WINDOWS_PER_RUN)})
    for slug, body in SOURCES.items():
        live.write(slug, **body)
    for slug, text in WORKFLOWS.items():
        live.write_workflow(slug, text)
    return live


def config_of(account: DemoServer) -> dict[str, Any]:
    """The configuration of a run that reads from another account."""
    return {"resources": {"pipedrive": {"config": {"url": account.url, "token": account.token}}}}


LOCATIONS = (
    """{ locationStatusesOrError { ... on WorkspaceLocationStatusEntries { entries { loadStatus } } } }"""
)
DAEMONS = "{ instance { daemonHealth { allDaemonStatuses { healthy required } } } }"
SELECTOR = {"repositoryName": REPOSITORY, "repositoryLocationName": LOCATION}
LAUNCH = """mutation($p: ExecutionParams!) { launchPipelineExecution(executionParams: $p) { __typename
    ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } } } }"""
ASSETS = """query($s: RepositorySelector!) { repositoryOrError(repositorySelector: $s) { ... on Repository {
    assetNodes { assetKey { path } } } } }"""
RUN = """query($id: ID!) { runOrError(runId: $id) { ... on Run { runId status tags { key value } } } }"""
RUNS = """query($f: RunsFilter!) { runsOrError(filter: $f) { ... on Runs { results {
    runId status tags { key value } assetSelection { path } } } } }"""
PARTITIONS = """query($k: AssetKeyInput!) { assetNodeOrError(assetKey: $k) { ... on AssetNode { partitionKeys
    assetPartitionStatuses { ... on TimePartitionStatuses { ranges { startKey endKey status } } } } } }"""
BACKFILL = """mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) { __typename
    ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
BACKFILL_STATE = """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { status runs { runId: id status } } } }"""
SENSOR = """query($s: SensorSelector!) { sensorOrError(sensorSelector: $s) { ... on Sensor {
    sensorState { ticks { status timestamp } } } } }"""
SCHEDULE = """query($s: ScheduleSelector!) { scheduleOrError(scheduleSelector: $s) { ... on Schedule {
    scheduleState { id status ticks { status skipReason runIds } } } } }"""
