"""``dev``: Dagster's own server and daemon, for as long as the command runs."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from pipedrive_orchestration.cli.demo_account import demo_account, on_demo
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import FAILED, explained
from pipedrive_orchestration.cli.output import err, out
from pipedrive_orchestration.services.deployment import use_home
from pipedrive_orchestration.settings import export


def dev(
    scale: Annotated[float, typer.Option(help="Multiplies the records of a new demo account.")] = 1.0,
    port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000,
) -> None:
    """Dagster's UI and daemon, on your account if there is a token and on the demo account if not."""
    with explained(err), ExitStack() as stack:
        environment = Environment.read()
        if not environment.settings.has_account:
            account = stack.enter_context(demo_account(scale))
            environment = on_demo(environment, account)
            out.print(f"No account is configured: the demo account answers at {account.url}")
        environment.export()
        use_home(environment.settings)
        # The command recommends its successor, which reads other configuration, on every start.
        export({"PYTHONWARNINGS": "ignore:Function `dev_command`:FutureWarning", **environment.variables})
        out.print(f"Dagster UI: http://127.0.0.1:{port}   (Ctrl-C ends it)", highlight=False)
        command = [str(Path(sys.executable).with_name("dagster")), "dev", "-w", "workspace.yaml"]
        process = subprocess.Popen([*command, "--host", "127.0.0.1", "--port", str(port)])  # noqa: S603
        # Whoever ends this command with a signal ends Dagster's processes with it.
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            process.wait()
        except KeyboardInterrupt:
            process.wait(timeout=60)
    raise typer.Exit(FAILED if process.returncode not in (0, -2, 130) else 0)
