"""``check``: the problems of a project's files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipedrive_orchestration.cli.arguments import AsJson
from pipedrive_orchestration.cli.exit_codes import BAD_INPUT
from pipedrive_orchestration.cli.output import err, print_json, problem_as_json, say
from pipedrive_orchestration.services.project_check import Check, NoProjectError, check_paths
from pipedrive_orchestration.settings import Settings, SettingsError


def check(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Project folders or files; the folder that PIPEDRIVE_PROJECT names if not given.",
            metavar="[PATH]...",
            exists=True,
            show_default=False,
        ),
    ] = None,
    *,
    json: AsJson = False,
) -> None:
    """Check the files of the project, without account, database or Dagster.

    Prints every problem as path:line:column: field: message. Exit code 2 if there is one.

    Try:

        pipedrive-orchestration check

        pipedrive-orchestration check draft.yaml

        pipedrive-orchestration check --json | jq -r '.problems[].path' | sort -u
    """
    try:
        checked = check_paths(paths or [Settings.read().project])
    except (NoProjectError, SettingsError) as error:
        say(error, to=err, style="red")
        raise typer.Exit(BAD_INPUT) from None
    if json:
        print_json(_as_json(checked))
    else:
        for finding in checked.findings:
            typer.echo(finding)
        say(_summary(checked), to=err, style="red" if checked.findings else None)
    if checked.findings:
        raise typer.Exit(BAD_INPUT)


def _summary(checked: Check) -> str:
    files = _amount(checked.files, "file")
    if not checked.findings:
        return f"{files}, no problems."
    return f"{_amount(len(checked.findings), 'problem')} in {checked.bad_files} of {files}."


def _amount(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _as_json(checked: Check) -> dict[str, object]:
    problems = [
        {"path": finding.shown_path} | problem_as_json(finding.problem) for finding in checked.findings
    ]
    return {"files": checked.files, "problems": problems}
