"""The embedded demo account as a process of its own, for as long as a command needs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from pipedrive_orchestration.cli.commands.init import show_layout
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import CommandError
from pipedrive_orchestration.files import make_private_folder
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.template import CONFIGURATION, lay_out

DEMO_FOLDER = Path("data/demo")
"""The folder of the demo's account and database; a real account never touches it."""

BURST = 100
"""Requests per 2 s of the demo account: what the Premium plan allows a token.

See docs/pipedrive-api.md#rate-limits.
"""


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
    """Start the demo account on a free port; it ends with the block, and with this process.

    Its journal keeps the same account, with all that was changed in it, from one start to the next.

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
    journal = DEMO_FOLDER / "account.jsonl"
    is_new = not journal.exists()
    command = [sys.executable, "-m", "pipedrive_orchestration.demo", "--port", "0", "--scale", str(scale)]
    command += ["--burst", str(BURST), "--journal", str(journal), "--until-parent-exits"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603
    try:
        assert process.stdout is not None
        told = dict(pair.split("=", 1) for pair in process.stdout.readline().split())
        if "PIPEDRIVE_API_URL" not in told:
            _, reason = process.communicate(timeout=10)
            raise DemoAccountError(f"The demo account did not start: {reason.strip() or 'no reason given'}")
        yield DemoAccount(told["PIPEDRIVE_API_URL"], told["PIPEDRIVE_API_TOKEN"], is_new)
    finally:
        process.terminate()
        process.wait(timeout=30)


def on_demo(environment: Environment, account: DemoAccount) -> Environment:
    """The environment of a command that works on the demo account and the demo's own database."""
    return environment.but(
        api_url=account.url,
        api_token=account.token,
        warehouse=str(DEMO_FOLDER / "warehouse.duckdb"),
        staging=DEMO_FOLDER / "staging",
        publish=environment.settings.publish and DEMO_FOLDER / "published.duckdb",
    )
