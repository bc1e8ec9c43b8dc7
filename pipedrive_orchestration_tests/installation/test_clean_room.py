"""The wheel in an environment of its own and in empty folders: what the first page of the README says.

It takes minutes and downloads packages: `make wheel-test` runs it, with any Python, and prints figures.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipedrive_orchestration.demo import DemoServer, Settings, running_demo
from pipedrive_orchestration.template import PARTS, SECRETS

CHECKOUT = Path(__file__).parents[2]
PYTHON = os.environ.get("WHEEL_TEST_PYTHON", sys.executable)
SCALE = "0.02"
FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO

pytestmark = pytest.mark.wheel


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it, and a home folder in which nothing was before.

    Attributes:
        bin: its programs.
        home: the folder.
    """

    bin: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a user's shell has: nothing of the checkout, nothing of ours."""
        ours = ("PIPEDRIVE_", "DAGSTER_", "PYTHON", "VIRTUAL_ENV", "WHEEL_TEST_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return kept | {"HOME": str(self.home), "PATH": f"{self.bin}{os.pathsep}{kept['PATH']}"}

    def run(self, folder: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            arguments,
            cwd=folder, env=self.environment, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert ended.returncode == code, f"{arguments}\n{ended.stdout}\n{ended.stderr}"
        return ended

    def command(self, folder: Path, *arguments: str, code: int = 0) -> str:
        """What our command prints."""
        ended = self.run(folder, "pipedrive-orchestration", *arguments, code=code)
        assert code or ended.stderr == "", ended.stderr
        return ended.stdout if code == 0 else ended.stderr


@contextmanager
def timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - began:.1f} s")  # noqa: T201 - these are figures


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    room = tmp_path_factory.mktemp("room")
    pip = ["-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, *pip, "wheel", "--no-deps", "-w", room, CHECKOUT], check=True, timeout=600
    )
    (wheel,) = room.glob("*.whl")
    print(f"\nwheel: {wheel.stat().st_size / 1024:.0f} KB")  # noqa: T201
    subprocess.run([PYTHON, "-m", "venv", room / "venv"], check=True, timeout=600)
    python = room / "venv" / "bin" / "python"
    with timed("pip install"):
        constraints = ["-c", str(CHECKOUT / "constraints.txt")]
        subprocess.run([python, *pip, "install", *constraints, wheel], check=True, timeout=1800)
    subprocess.run([python, *pip, "check"], check=True, timeout=600)
    (room / "home").mkdir()
    return Installed(python.parent, room / "home")


@pytest.fixture(scope="module")
def account() -> Iterator[DemoServer]:
    with running_demo(Settings(scale=float(SCALE), burst=0)) as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder, in which one test goes on where the one before it ended."""
    return tmp_path_factory.mktemp("empty")


def test_the_demo_in_an_empty_folder(installed: Installed, folder: Path) -> None:
    with timed("first demo"):
        first = installed.command(folder, "demo", "--scale", SCALE)
    assert "Imported everything" in first
    with timed("second demo"):
        second = installed.command(folder, "demo", "--scale", SCALE)
    assert re.search(r"Pulled only changes: [1-9]\d* rows changed\.", second)


def test_rows_come_out_of_python(installed: Installed, folder: Path) -> None:
    shown = installed.run(
        folder,
        "python", "-c",
        "import pipedrive_orchestration as p\n"
        "settings = p.Settings(warehouse='data/demo/warehouse.duckdb')\n"
        "rows = p.read('all_deals', settings=settings)\n"
        "print(p.__version__, type(rows).__module__.split('.')[0], len(rows) > 0, len(p.list_sources()) > 1)",
    )  # fmt: skip
    version = installed.run(folder, "pip", "show", "pipedrive-orchestration").stdout
    number = re.search(r"^Version: (.+)$", version, re.MULTILINE)
    assert number
    assert shown.stdout.split() == [number[1], "pandas", "True", "True"]


def test_the_ui_of_the_demo(installed: Installed, folder: Path) -> None:
    check_dev(installed, folder, ["--scale", SCALE])


def test_a_folder_for_an_account(
    installed: Installed, account: DemoServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    work = tmp_path_factory.mktemp("work")
    assert "New in" in installed.command(work, "init", "crm")
    crm = work / "crm"
    assert installed.command(crm, "connect", code=4)
    assert json.loads(installed.command(crm, "check", "--json"))["problems"] == []
    with (crm / ".env").open("a") as settings:
        settings.write(f"PIPEDRIVE_API_URL={account.url}\nPIPEDRIVE_API_TOKEN={account.token}\n")
    assert json.loads(installed.command(crm, "connect", "--json"))["connected"]
    imported = {entry["source"]: entry for entry in json.loads(installed.command(crm, "import", "--json"))}
    persons = [record for record in account.account.records("persons") if not record["is_deleted"]]
    assert imported["all_persons"]["rows"]["current"] == len(persons)
    check_dev(installed, crm, [])
    again = json.loads(installed.command(crm, "init", "--json"))
    assert (again["written"], set(again["kept"])) == ([], {*PARTS, SECRETS})


def test_secrets_and_data_are_for_the_owner_only(installed: Installed, folder: Path) -> None:
    for private in (".env", "data", ".state"):
        assert (folder / private).stat().st_mode & FOR_OTHERS == 0, private


def test_nothing_is_written_elsewhere(installed: Installed, folder: Path) -> None:
    assert not list(installed.home.iterdir())
    made_by_running = {"data", ".state"}
    assert {path.name for path in folder.iterdir()} == {*PARTS, SECRETS, *made_by_running}


def check_dev(installed: Installed, folder: Path, options: list[str]) -> None:
    """``dev`` shows the page and the code location, says nothing of deprecation, and ends when it is told."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = installed.home.parent / f"dev-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["pipedrive-orchestration", "dev", "--port", str(port), *options],
            cwd=folder, env=installed.environment, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        with timed("dev until it is loaded"), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            assert wait_for(lambda: location(client), process, log) == ["pipedrive_orchestration", "LOADED"]
            page = client.get("/")
            assert page.status_code == 200
            assert "Dagster" in page.text
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, log.read_text()
        assert wait_for(lambda: not processes_in(folder), None, log)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert not re.search(r"Supersession|Deprecat|dg dev", log.read_text()), log.read_text()


LOCATION = """{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus
    locationOrLoadError { __typename } } } } }"""


def location(client: httpx.Client) -> list[str] | None:
    try:
        answer: Any = client.post("/graphql", json={"query": LOCATION}).json()
    except httpx.TransportError:
        return None
    entries = answer["data"]["workspaceOrError"]["locationEntries"]
    loaded = [entry for entry in entries if entry["loadStatus"] == "LOADED"]
    assert all(entry["locationOrLoadError"]["__typename"] == "RepositoryLocation" for entry in loaded), loaded
    return [loaded[0]["name"], "LOADED"] if loaded else None


def processes_in(folder: Path) -> list[int]:
    """Processes that work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve() == folder.resolve():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def wait_for(look: Callable[[], Any], process: subprocess.Popen[bytes] | None, log: Path) -> Any:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if seen := look():
            return seen
        assert process is None or process.poll() is None, log.read_text()
        time.sleep(0.2)
    raise AssertionError(f"nothing to see:\n{log.read_text()}")
