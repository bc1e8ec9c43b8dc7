"""Commands of dg, one after the other in one process: ``python -m ...dg_commands``.

Standard input holds a JSON list of pairs: a folder, and the words of a command that is given there, or of
``write FILE CONTENT``. Standard output holds a JSON list of what they said. One process spares each of them
the start of Dagster, and spares the tests what dg leaves behind in the process that it runs in.
"""

from __future__ import annotations

import importlib
import json
import sys
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path

from create_dagster.cli import cli as create_dagster
from dagster_dg_cli.cli import cli as dg

from pipedrive_orchestration.process_exit import run_to_exit

CLIS = {"dg": dg, "create-dagster": create_dagster}


def _write(folder: Path, file: str, content: str) -> None:
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_text(content)


def _main() -> None:
    said = []
    for folder, (program, *arguments) in json.load(sys.stdin):
        output = StringIO()
        if program == "write":
            _write(Path(folder), *arguments)
            continue
        importlib.invalidate_caches()  # the project's package was not there when the process began
        try:
            with chdir(folder), redirect_stdout(output):
                code = CLIS[program].main(arguments, standalone_mode=False)
        except SystemExit as end:
            code = end.code
        if code:
            raise SystemExit(f"{program} {arguments}: {output.getvalue()}")
        said.append(output.getvalue())
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    run_to_exit(_main)
