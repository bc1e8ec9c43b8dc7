"""dbt as a program of its own, and what it says of each model, seed and test.

It runs in another process, so that nothing of ours has to import it and its memory is given back.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pipedrive_orchestration.models.dbt_project import DbtProject, variables_argument
from pipedrive_orchestration.models.errors import ModelsError
from pipedrive_orchestration.settings import variables_of_others

OK, FAILED, SKIPPED = "ok", "failed", "skipped"

AS_OF = "PIPEDRIVE_AS_OF"
"""The variable of dbt's process with the instant that ages are counted to."""

_PROGRAM = """
import gc, importlib, os, threading
from pipedrive_orchestration.process_exit import run_to_exit
# It ends soon, and nearly all that it makes stays until then.
gc.disable()
# It ends with whoever started it, so that nobody writes beside the next build: then its input ends.
threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
run_to_exit(importlib.import_module("dbt.cli.main").cli)
"""

_STATUS = {"success": OK, "pass": OK, "warn": OK, "no-op": OK, "skipped": SKIPPED, "partial success": FAILED}
_PLACE = re.compile(r"\((?P<file>[\w./ -]+\.(?:sql|ya?ml|csv|py))\)")
_READING = re.compile(r"Error reading [\w.-]+: (?P<file>[\w./ -]+\.ya?ml)")
_LINE = re.compile(r"\bline (?P<line>\d+)", re.IGNORECASE)
_SQL_LINE = re.compile(r"^\s*LINE \d+: (?P<text>.*)$", re.MULTILINE)
_QUOTED = re.compile(r'"([^"\n]+)"')
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a file of models.

    Attributes:
        file: its path from the folder of models.
        line: where in it, as far as that is known.
        message: a sentence or more.
    """

    file: str
    line: int | None
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line or 1}: {' '.join(self.message.split())}"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a model, seed or test.

    Attributes:
        unique_id: dbt's name for it, such as ``model.pipedrive_models.deals_named``.
        status: ``ok``, ``failed`` or ``skipped``.
        problem: why it failed.
        failures: rows that a test found.
        is_warning: whether a test that found something only warns.
        seconds: how long it took.
    """

    unique_id: str
    status: str
    problem: Problem | None
    failures: int
    is_warning: bool
    seconds: float

    @property
    def kind(self) -> str:
        """``model``, ``seed`` or ``test``."""
        return self.unique_id.partition(".")[0]

    @property
    def name(self) -> str:
        """The name that the file has, or dbt gave to the test."""
        return self.unique_id.split(".")[2]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one run of dbt.

    Attributes:
        results: of what was run.
        manifest: what dbt knows of the project; empty where it could not be read.
        problems: files that had to be left out since they cannot be read.
    """

    results: tuple[Result, ...]
    manifest: Mapping[str, Any]
    problems: tuple[Problem, ...]


def run_dbt(
    project: DbtProject,
    work: Path,
    database: Path | str,
    arguments: Sequence[str],
    as_of: datetime | None = None,
) -> Outcome:
    """Run dbt in a copy of a project; what cannot be read is left out, and the others go on.

    Args:
        project: the models.
        work: the folder of the copy; nobody else may be at it.
        database: what dbt works on.
        arguments: dbt's command and its options.
        as_of: the instant that ages are counted to; the present one if None.

    Raises:
        ModelsError: dbt cannot be used, or what is wrong lies in no file that could be left out.
        OSError: the folder cannot be written.
    """
    problems: list[Problem] = []
    while True:
        project.lay_out(work, database, without=[problem.file for problem in problems])
        for left in ("manifest.json", "run_results.json"):
            (work / "target" / left).unlink(missing_ok=True)
        messages = _run(work, arguments, project.variables, as_of)
        if (work / "target" / "run_results.json").exists() or not messages:
            break
        found = _problem_in(messages, project.folder)
        if found is None or any(found.file == known.file for known in problems):
            last = [message.strip().splitlines()[-1] for message in messages if message.strip()]
            raise ModelsError("dbt ended with an error: " + "\n".join(last))
        problems.append(found)
    manifest = _read_json(work / "target" / "manifest.json")
    results = tuple(_results(project.folder, work, manifest))
    return Outcome(results, manifest, tuple(problems))


def _run(
    work: Path, arguments: Sequence[str], variables: Mapping[str, str], as_of: datetime | None
) -> list[str]:
    """Run dbt. Returns the messages of its errors."""
    program = [sys.executable, "-c", _PROGRAM, "--log-format", "json", "--log-level", "info"]
    quiet = ["--no-use-colors", "--log-level-file", "none", "--no-send-anonymous-usage-stats"]
    places = [
        "--project-dir",
        str(work),
        "--profiles-dir",
        str(work),
        "--vars",
        variables_argument(variables),
    ]
    command = [*program, *quiet, "--no-version-check", *arguments, *places]
    # Models are SQL of users: nothing of the account's secrets is in their reach.
    environment = variables_of_others() | {"DO_NOT_TRACK": "1"}
    if as_of:
        # Not one of dbt's variables, of which a new value makes it read all files anew.
        environment[AS_OF] = as_of.isoformat()
    input_, ours = os.pipe()
    try:
        ended = subprocess.run(  # noqa: S603 - a program of our own environment
            command, cwd=work, env=environment, stdin=input_, capture_output=True, text=True, check=False
        )
    finally:
        os.close(input_)
        os.close(ours)
    if ended.returncode == 0:
        return []
    messages = list(_errors(ended.stdout))
    return messages or [(ended.stderr or ended.stdout).strip()[-2000:] or f"exit code {ended.returncode}"]


def _errors(log: str) -> Iterator[str]:
    for line in log.splitlines():
        try:
            info = json.loads(line)["info"]
        except (ValueError, KeyError, TypeError):
            continue
        if info.get("level") == "error":
            yield _COLOURS.sub("", info["msg"]).strip()


def _problem_in(messages: Sequence[str], folder: Path) -> Problem | None:
    """The file that dbt could not read, if its messages name one."""
    text = "\n".join(messages)
    named = _READING.search(text) or _PLACE.search(text)
    if named is None:
        return None
    file = named["file"]
    if not (folder / file).is_file():
        file = next((str(path.relative_to(folder)) for path in folder.rglob(Path(file).name)), file)
    if not (folder / file).is_file() or Path(file).name == "dbt_project.yml":
        return None
    line = _LINE.search(text)
    return Problem(file, int(line["line"]) if line else None, text)


def _results(folder: Path, work: Path, manifest: Mapping[str, Any]) -> Iterator[Result]:
    nodes = manifest.get("nodes", {})
    for one in _read_json(work / "target" / "run_results.json").get("results", []):
        node = nodes.get(one["unique_id"], {})
        status = _STATUS.get(one["status"], FAILED)
        result = Result(
            one["unique_id"],
            status,
            None,
            one.get("failures") or 0,
            one["status"] == "warn",
            one["execution_time"],
        )
        if status == FAILED:
            message = _COLOURS.sub("", one.get("message") or "failed")
            file = node.get("original_file_path", "")
            result = replace(result, problem=Problem(file, _line_of(message, folder / file), message))
        yield result


def _line_of(message: str, file: Path) -> int | None:
    """The line of a file that DuckDB complains of; it names that of what the file was compiled to."""
    if not file.is_file():
        return None
    shown = [match["text"].strip().removeprefix("...").removesuffix("...").strip()
             for match in _SQL_LINE.finditer(message)]  # fmt: skip
    lines = file.read_text().splitlines()
    # What is not found is quoted first; what is offered in its place comes after it.
    for text in [*shown, *_QUOTED.findall(message)]:
        found = [number for number, line in enumerate(lines, start=1) if text and text in line]
        if len(found) == 1:
            return found[0]
    return None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    return content
