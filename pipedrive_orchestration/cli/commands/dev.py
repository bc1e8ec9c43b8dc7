"""``dev``: Dagster's own server and daemon, for as long as the command runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from filelock import Timeout

from pipedrive_orchestration.cli.demo_account import demo_account, on_demo
from pipedrive_orchestration.cli.demo_webhooks import demo_webhooks, with_credentials
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import CommandError, explained
from pipedrive_orchestration.cli.output import err, out, this_command
from pipedrive_orchestration.files import make_private_folder, replace_content
from pipedrive_orchestration.services.deployment import use_home
from pipedrive_orchestration.services.dev_process import HOST, UI_PORT, dev_lock, is_taken
from pipedrive_orchestration.services.names import LOCATION
from pipedrive_orchestration.settings import ENV_FILE, Settings, export, read_env_file
from pipedrive_orchestration.template import WORKSPACE, NotLaidOutError

DAGSTER_DEV = "pipedrive_orchestration.services.dagster_dev"
"""The module that runs Dagster; it takes a second to import, so it is imported there alone."""

GRACE_SECONDS = 60
"""Seconds that Dagster's processes have to end."""


class DagsterEndedError(CommandError):
    """An end of Dagster that nobody asked for."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Dagster has ended by itself, with exit code {code}; its last lines say why.")


class PortInUseError(CommandError):
    """A port that another program has."""

    def __init__(self, port: int) -> None:
        super().__init__(
            f"Port {port} of this machine is in use. End the program that has it, or choose another: "
            f"dev --port {port + 1}."
        )


class AlreadyRunningError(CommandError):
    """A second ``dev`` on the same state: its daemon would fire the same schedules."""

    def __init__(self, home: Path) -> None:
        super().__init__(f"Another `dev` is running on {home}. Use that one, or end it first.")


def dev(
    scale: Annotated[float, typer.Option(help="Multiplies the records of a new demo account.")] = 1.0,
    port: Annotated[int, typer.Option(help="Port of the Dagster UI.", min=1, max=65_535)] = UI_PORT,
) -> None:
    """Dagster's UI and daemon, on your account if there is a token and on the demo account if not."""
    with explained(err), ExitStack() as stack:
        environment = Environment.read()
        on_demo_account = not environment.settings.has_account
        if on_demo_account:
            account = stack.enter_context(demo_account(scale, environment.settings, out))
            environment = with_credentials(on_demo(environment, account))
            out.print(f"No account is configured: the demo account answers at {account.url}")
        if not Path(WORKSPACE).exists():
            raise NotLaidOutError(Path.cwd(), WORKSPACE)
        use_home(environment.settings)
        stack.enter_context(_alone(environment.settings))
        if is_taken(port):
            raise PortInUseError(port)
        environment.export()
        if on_demo_account:
            stack.enter_context(demo_webhooks(environment, port))
            out.print(
                f"Its webhooks arrive here: `{this_command()} demo --work` in another terminal wins deals, "
                "and tables and assets have them within seconds.",
                highlight=False,
                soft_wrap=True,
            )
        export(stack.enter_context(_settings_for_code_location(environment.settings)))
        out.print(f"Dagster UI: http://{HOST}:{port}   (Ctrl-C ends it)", highlight=False)
        _run_dagster(["-w", WORKSPACE, "--host", HOST, "--port", str(port)])


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    lock = dev_lock(settings.state)
    try:
        lock.acquire()
    except Timeout:
        raise AlreadyRunningError(settings.home.resolve()) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _settings_for_code_location(settings: Settings) -> Iterator[Mapping[str, str]]:
    """Variables that bring the settings to the code location as they are; for as long as the block lasts.

    Dagster itself reads the ``.env`` file of the working folder and lets it win over the variables of the
    process, even where it sets one to nothing. A file of the code location's own is read after that.
    """
    as_dagster_reads = read_env_file(Path(ENV_FILE))
    lost = {
        name: value
        for name, value in settings.variables().items()
        if as_dagster_reads.get(name, value) != value
    }
    if not lost:
        yield {}
        return
    folder = settings.state.resolve() / "dev"
    make_private_folder(folder)
    lines = "".join(f"{name}='{_escaped(value)}'\n" for name, value in lost.items())
    replace_content(folder / ENV_FILE, lines.encode(), mode=0o600)
    try:
        yield {"DAGSTER_PROJECT_ENV_FILE_PATHS": json.dumps({LOCATION: str(folder)})}
    finally:
        (folder / ENV_FILE).unlink(missing_ok=True)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _run_dagster(options: list[str]) -> None:
    """Run Dagster until it is told to end, by Ctrl-C or a signal, and wait until all of it has ended.

    Raises:
        DagsterEndedError: nobody told it to.
    """
    # A shell that starts this command in the background has it ignore Ctrl-C; Dagster, which takes every
    # request to end for a Ctrl-C, would ignore all of them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen([sys.executable, "-m", DAGSTER_DEV, *options])  # noqa: S603
    ending = False

    def end(*_: object) -> None:
        nonlocal ending
        ending = True
        process.terminate()

    signal.signal(signal.SIGTERM, end)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        # A terminal sends it to every process; whoever sends a signal does so to this one alone.
        _end(process)
    else:
        if not ending:
            raise DagsterEndedError(code)


def _end(process: subprocess.Popen[bytes]) -> None:
    for insist in (process.terminate, process.kill):
        try:
            process.wait(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            insist()
        else:
            return
    process.wait()
