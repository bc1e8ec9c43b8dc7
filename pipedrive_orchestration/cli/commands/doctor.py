"""``doctor``: what is wrong on this machine, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import typer
from rich.text import Text

from pipedrive_orchestration.cli.arguments import AsJson
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.exit_codes import FAILED
from pipedrive_orchestration.cli.output import busy, err, out, print_json
from pipedrive_orchestration.services.diagnosis import Diagnosis, Verdict, diagnose

_SIGNS = {Verdict.WELL: ("✓", "green"), Verdict.WARNING: ("!", "yellow"), Verdict.WRONG: ("✗", "red")}


def doctor(*, json: AsJson = False) -> None:
    """Look for what is wrong on this machine, and say how to mend it.

    Looks at versions, settings, the project's files, Dagster's state, the database and its disk, file modes,
    ports, the account and the clock. Changes nothing; asks Pipedrive once, for 2 tokens. Exit code 1 if
    something is wrong; warnings alone are no failure.

    Try:

        pipedrive-orchestration doctor

        pipedrive-orchestration doctor --json | jq -r '.[] | select(.verdict != "well") | .remedy'
    """
    with explained(err):
        if json:
            with busy("Looking"):
                found = list(diagnose(Path.cwd()))
            print_json([_as_json(diagnosis) for diagnosis in found])
        else:
            found = list(_shown(diagnose(Path.cwd())))
    if any(diagnosis.verdict is Verdict.WRONG for diagnosis in found):
        raise typer.Exit(FAILED)


def _shown(diagnoses: Iterable[Diagnosis]) -> Iterable[Diagnosis]:
    """The same, each printed as it comes."""
    for diagnosis in diagnoses:
        sign, style = _SIGNS[diagnosis.verdict]
        remedy = "" if diagnosis.verdict is Verdict.WELL else f"\n    {diagnosis.remedy}"
        line = Text.assemble((sign, style), f" {diagnosis.subject}: {diagnosis.text}", (remedy, "bold"))
        out.print(line, soft_wrap=True)
        yield diagnosis


def _as_json(diagnosis: Diagnosis) -> dict[str, str]:
    return {
        "subject": diagnosis.subject,
        "verdict": diagnosis.verdict.value,
        "text": diagnosis.text,
        "remedy": diagnosis.remedy,
    }
