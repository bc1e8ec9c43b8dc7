"""Commands of dg, one after the other in one process: ``python -m ...dg_commands``.

Standard input holds a JSON list of pairs: a folder, and the words of a command that is given there. Standard
output holds a JSON list of what they said. One process spares each of them the start of Dagster, and spares
the tests what dg leaves behind in the process that it runs in.
"""

from __future__ import annotations

import json
import sys
from contextlib import chdir

from click.testing import CliRunner
from create_dagster.cli import cli as create_dagster
from dagster_dg_cli.cli import cli as dg


def _main() -> None:
    said = []
    for folder, (program, *arguments) in json.load(sys.stdin):
        with chdir(folder):
            result = CliRunner().invoke({"dg": dg, "create-dagster": create_dagster}[program], arguments)
        if result.exit_code:
            raise SystemExit(f"{program} {arguments}: {result.output} {result.exception}")
        said.append(result.output)
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    _main()
