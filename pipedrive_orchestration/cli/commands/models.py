"""``models``: builds the models of the project, tests them, shows them."""

from __future__ import annotations

import shutil
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from pipedrive_orchestration.cli.arguments import AsJson
from pipedrive_orchestration.cli.commands.publish import publish_what_is_new
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.exit_codes import FAILED
from pipedrive_orchestration.cli.output import busy, err, out, print_json, say
from pipedrive_orchestration.models.build import BuildReport, build_models, make_documentation
from pipedrive_orchestration.models.dbt_project import FOLDER
from pipedrive_orchestration.models.rows import first_rows
from pipedrive_orchestration.models.store import new_model, project_of, work_folder

DOCUMENTATION = Path("models.html")


class Action(StrEnum):
    """What to do with models."""

    BUILD = "build"
    TEST = "test"
    SHOW = "show"
    DOCS = "docs"
    NEW = "new"


def models(
    action: Annotated[Action, typer.Argument(help="What to do.", show_default=False)],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Models, as dbt selects them; all of them if not given. `show` and `new` take one.",
            show_default=False,
        ),
    ] = None,
    *,
    output: Annotated[
        Path, typer.Option(help="Where `docs` puts its page.", metavar="FILE", dir_okay=False)
    ] = DOCUMENTATION,
    rows: Annotated[int, typer.Option(help="How many rows `show` shows.", min=1, max=10_000)] = 20,
    json: AsJson = False,
) -> None:
    """Build the models of the project, test them, and show what is in them.

    Models are SQL over what the sources have imported: a dbt project in `project/models`. A build works on a
    copy of the database and swaps the results into its schema `models` in one step, so that imports go on.
    A model that cannot be read or fails is named with file and line, and the others are built: exit code 1.

    Try:

        pipedrive-orchestration models build

        pipedrive-orchestration models build pipeline_board+

        pipedrive-orchestration models show pipeline_board

        pipedrive-orchestration models new lead_scores

        pipedrive-orchestration models docs --output models.html
    """
    with explained(err):
        environment = Environment.read()
        chosen = names or []
        if action in (Action.SHOW, Action.NEW):
            if len(chosen) != 1:
                raise typer.BadParameter(f"`models {action}` takes the name of one model.")
            (_show if action is Action.SHOW else _new)(environment, chosen[0], rows, json)
        elif action is Action.DOCS:
            _document(environment, output, json)
        else:
            _build(environment, action, chosen, json)


def _build(environment: Environment, action: Action, names: list[str], json: bool) -> None:
    settings = environment.settings
    with busy("Building models" if action is Action.BUILD else "Testing models"):
        report = build_models(
            project_of(settings), environment.warehouse, work_folder(settings), select=names, command=action
        )
    print_json(_as_json(report)) if json else _say(report, environment)
    if action is Action.BUILD:
        publish_what_is_new(environment, err)
    if not report.is_good:
        raise typer.Exit(FAILED)


def _say(report: BuildReport, environment: Environment) -> None:
    tests = [one for one in report.results if one.kind == "test"]
    failed = [one for one in report.results if one.problem]
    say(
        f"{len(report.swapped)} tables in schema models, {len(tests)} tests, {len(failed)} failed; "
        f"{report.seconds:.1f} s"
    )
    for one in report.switched_off:
        say(one, to=err, style="yellow")
    for problem in report.problems:
        say(f"{environment.project / FOLDER}/{problem}", to=err, style="red")


def _as_json(report: BuildReport) -> dict[str, Any]:
    return {
        "as_of": report.as_of,
        "swapped": report.swapped,
        "seconds": round(report.seconds, 3),
        "swap_seconds": round(report.swap_seconds, 3),
        "results": [
            {"name": one.name, "kind": one.kind, "status": one.status, "failures": one.failures,
             "seconds": round(one.seconds, 3)}
            for one in report.results
        ],
        "switched_off": [{"name": one.name, "lacks": one.lacks} for one in report.switched_off],
        "problems": [{"file": one.file, "line": one.line, "message": one.message} for one in report.problems],
    }  # fmt: skip


def _show(environment: Environment, name: str, count: int, json: bool) -> None:
    columns, rows = first_rows(environment.warehouse, name, count)
    if json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    out.print(table)


def _new(environment: Environment, name: str, _count: int, json: bool) -> None:
    made = new_model(environment.project, name)
    if json:
        print_json({"sql": made.sql, "description": made.description})
    else:
        say(f"{made.sql} and {made.description}: an example to change. Then `models build {name}`.")


def _document(environment: Environment, output: Path, json: bool) -> None:
    settings = environment.settings
    with busy("Writing the documentation"):
        page = make_documentation(project_of(settings), environment.warehouse, work_folder(settings))
    shutil.copyfile(page, output)
    print_json({"documentation": output.absolute()}) if json else say(f"{output}: open it in a browser.")
