"""The embedded demo account as a process of its own, for as long as a command needs it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from filelock import FileLock, Timeout
from rich.console import Console

from pipedrive_orchestration.cli.commands.init import show_layout
from pipedrive_orchestration.cli.environment import DEMO_DATABASE, DEMO_FOLDER, Environment
from pipedrive_orchestration.cli.errors import CommandError
from pipedrive_orchestration.files import make_private_folder, replace_content
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.template import CONFIGURATION, lay_out

BURST = 100
"""Requests per 2 s of the demo account: what the Premium plan allows a token.

See docs/pipedrive-api.md#rate-limits.
"""


START_SECONDS = 60
"""Seconds that a command waits for the demo account that another one is starting."""

_POLL_SECONDS = 0.1
_JOURNAL = DEMO_FOLDER / "account.jsonl"
_LOCK = DEMO_FOLDER / "account.lock"
_ADDRESS = DEMO_FOLDER / "address.json"


class DemoAccountError(CommandError):
    """A demo account that did not start."""


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """The address and token of a demo account, and whether it has just been founded."""

    url: str
    token: str
    is_new: bool


@contextmanager
def demo_account(scale: float, settings: Settings, console: Console) -> Iterator[DemoAccount]:
    """The demo account of the working folder: the one that another command has running, or a new process.

    Its journal keeps the same account, with all that was changed in it, from one start to the next. A process
    that was started here ends with the block, and with this process.

    Args:
        scale: multiplies the records of a new account.
        settings: name the project folder. Where there is none, the working folder is laid out first.
        console: is told of that.

    Raises:
        DemoAccountError: it did not start; says why.
        OSError: the folder cannot be written.
    """
    if not settings.project.exists() and not (settings.home / CONFIGURATION).exists():
        show_layout(console, Path(), lay_out(Path()))
    make_private_folder(DEMO_FOLDER)
    lock = FileLock(_LOCK, timeout=0)
    running = _running_account_or_lock(lock)
    if running is not None:
        yield running
        return
    try:
        with _started_account(scale) as account:
            yield account
    finally:
        lock.release()


def _running_account_or_lock(lock: FileLock) -> DemoAccount | None:
    """The account that another command has running; None, and the lock is held, where there is none."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            lock.acquire()
        except Timeout:
            running = _running_account()
        else:
            return None
        if running is not None:
            return running
        time.sleep(_POLL_SECONDS)
    raise DemoAccountError(
        f"Another command has held the demo account for {START_SECONDS} s without telling its address. End "
        "that command first."
    )


def _running_account() -> DemoAccount | None:
    """The account whose address was told, if it answers: a command that was killed has left its own."""
    try:
        account = DemoAccount(**json.loads(_ADDRESS.read_text()), is_new=False)
        address = httpx.URL(account.url)
        with socket.create_connection((address.host, address.port or 80), timeout=START_SECONDS):
            return account
    except OSError:
        return None


@contextmanager
def _started_account(scale: float) -> Iterator[DemoAccount]:
    # Of a command that was killed.
    _ADDRESS.unlink(missing_ok=True)
    is_new = not _JOURNAL.exists()
    command = [sys.executable, "-m", "pipedrive_orchestration.demo", "--port", "0"]
    # One that is there goes on as it began.
    command += ["--scale", str(scale)] if is_new else []
    command += ["--burst", str(BURST), "--journal", str(_JOURNAL), "--until-parent-exits"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            account = _told_account(process, is_new=is_new)
            address = json.dumps({"url": account.url, "token": account.token})
            replace_content(_ADDRESS, address.encode(), mode=0o600)
            yield account
        finally:
            _ADDRESS.unlink(missing_ok=True)
            process.terminate()


def _told_account(process: subprocess.Popen[str], *, is_new: bool) -> DemoAccount:
    assert process.stdout is not None
    told = dict(pair.split("=", 1) for pair in process.stdout.readline().split())
    if "PIPEDRIVE_API_URL" not in told:
        _, reason = process.communicate(timeout=START_SECONDS)
        raise DemoAccountError(f"The demo account did not start: {reason.strip() or 'no reason given'}")
    return DemoAccount(told["PIPEDRIVE_API_URL"], told["PIPEDRIVE_API_TOKEN"], is_new)


def on_demo(environment: Environment, account: DemoAccount) -> Environment:
    """The environment of a command that works on the demo account and the demo's own database."""
    return environment.but(
        api_url=account.url,
        api_token=account.token,
        warehouse=str(DEMO_DATABASE),
        staging=DEMO_FOLDER / "staging",
        inbox=DEMO_FOLDER / "inbox",
        publish=environment.settings.publish and DEMO_FOLDER / "published.duckdb",
    )
