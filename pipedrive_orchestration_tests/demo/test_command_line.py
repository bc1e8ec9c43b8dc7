"""``python -m pipedrive_orchestration.demo``: starting, stopping, and never outliving its parent."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

DEMO = [sys.executable, "-m", "pipedrive_orchestration.demo"]
LINE = re.compile(r"PIPEDRIVE_API_URL=(http://127\.0\.0\.1:\d+) PIPEDRIVE_API_TOKEN=([0-9a-f]{40})\n")


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    with subprocess.Popen(
        [*DEMO, "--port", "0", "--scale", "0.02", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            match = LINE.fullmatch(line)
            assert match is not None, line
            yield process, match[1], match[2]
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_address_first_and_stops_cleanly(stop: signal.Signals) -> None:
    with started("--burst", "7") as (process, url, token):
        with httpx.Client(headers={"x-api-token": token}) as http:
            answer = http.get(f"{url}/v1/users/me")
            assert (answer.status_code, answer.headers["x-ratelimit-limit"]) == (200, "7")
            process.send_signal(stop)
            assert process.wait(timeout=10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_its_journal_outlives_it(tmp_path: Path) -> None:
    journal = ("--journal", str(tmp_path / "journal.jsonl"))
    with started(*journal) as (process, url, token):
        answer = httpx.post(f"{url}/api/v2/deals", json={"title": "Roof"}, headers={"x-api-token": token})
        deal = answer.json()["data"]
        process.kill()
    with started(*journal) as (_, url, token):
        again = httpx.get(f"{url}/api/v2/deals/{deal['id']}", headers={"x-api-token": token})
        assert again.json()["data"] == deal


def test_it_does_not_outlive_its_parent() -> None:
    script = (
        "import subprocess, sys; "
        f"demo = subprocess.Popen({[*DEMO, '--port', '0', '--scale', '0.02', '--until-parent-exits']!r}, "
        "stdout=subprocess.PIPE, text=True); "
        "print(demo.stdout.readline(), end='', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        match = LINE.fullmatch(parent.stdout.readline())
        assert match is not None
        url, headers = match[1], {"x-api-token": match[2]}
        assert httpx.get(f"{url}/v1/users/me", headers=headers).status_code == 200
        parent.kill()
    deadline = time.monotonic() + 15
    while answers(url, headers):
        assert time.monotonic() < deadline, "the demo account outlived its parent"


def answers(url: str, headers: dict[str, str]) -> bool:
    try:
        httpx.get(f"{url}/v1/users/me", headers=headers, timeout=5)
    except httpx.TransportError:
        return False
    return True


def refused(*arguments: str) -> str:
    run = subprocess.run([*DEMO, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    return run.stderr


def test_what_it_cannot_do_it_says_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert (
            refused("--port", port, "--scale", "0.02")
            == f"Port {port} of 127.0.0.1 cannot be used: Address already in use\n"
        )
    broken = tmp_path / "journal.jsonl"
    broken.write_text("nonsense\n")
    assert refused("--port", "0", "--scale", "0.02", "--journal", str(broken)).count("\n") == 1
    for bad in (["--scale", "0"], ["--burst", "-1"], ["--port", "70000"], ["--retired", "200"]):
        assert bad[0] in refused(*bad)
