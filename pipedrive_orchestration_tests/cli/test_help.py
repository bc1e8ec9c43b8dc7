"""What a person and a shell can ask the command line about itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipedrive_orchestration.cli.app import OUTLINES, app
from pipedrive_orchestration.cli.lazy import Outline
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration_tests.cli.conftest import PERSONS, PIPELINES, REPOSITORY, Project

OURS = (
    "connect", "create", "data", "diff", "import", "init", "list", "models", "object-type", "options",
    "preview", "publish", "quality", "record", "report", "schedule", "show", "status", "sync", "write",
)  # fmt: skip


COMMANDS = {outline.name: outline.load() for outline in OUTLINES}


@pytest.mark.parametrize("outline", OUTLINES, ids=lambda outline: outline.name)
def test_the_list_of_commands_says_of_each_what_its_own_help_begins_with(outline: Outline) -> None:
    first_paragraph = str(COMMANDS[outline.name].help).split("\n\n")[0]
    assert outline.summary == " ".join(first_paragraph.split())


def test_help_needs_nothing_that_takes_long_to_import() -> None:
    asked = (
        "import sys\n"
        "from pipedrive_orchestration.cli import main\n"
        "try: main()\n"
        "finally: print(*sys.modules, sep='\\n')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", asked, "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert "Their data" in ended.stdout
    imported = set(ended.stdout.split())
    assert "typer" in imported
    assert not imported & {"dagster", "duckdb", "fastapi", "httpx", "pandas", "faker", "uvicorn"}


@pytest.mark.parametrize("command", OURS)
def test_every_command_has_examples_that_parse_and_speaks_json(project: Project, command: str) -> None:
    (project.folder / "draft.yaml").touch()
    project.write("open_deals", "")
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert shown.exit_code == 0
    assert "--json" in shown.output
    examples = re.findall(rf"^ *pipedrive-orchestration {command}(.*)$", shown.output, re.MULTILINE)
    assert examples
    for example in examples:
        arguments = re.split(r"[|>]", example)[0].split()
        COMMANDS[command].make_context(command, arguments)


def test_the_documentation_names_every_command_and_option() -> None:
    documented = (REPOSITORY / "docs" / "cli.md").read_text()
    for command in OURS:
        assert f"`{command}" in documented, command
        for parameter in COMMANDS[command].params:
            assert set(parameter.opts) & set(re.findall(r"--?[a-z-]+", documented)) or not any(
                option.startswith("-") for option in parameter.opts
            ), (command, parameter.opts)


def completed(words: str, number: int, project: Project) -> set[str]:
    """What bash is given to choose from at a word."""
    environment = {
        "_PIPEDRIVE_ORCHESTRATION_COMPLETE": "complete_bash",
        "COMP_WORDS": f"pipedrive-orchestration {words}",
        "COMP_CWORD": str(number),
    }
    assert Path.cwd() == project.folder
    before = dict(os.environ)
    try:
        ended = CliRunner().invoke(app, prog_name="pipedrive-orchestration", env=environment)
    finally:
        os.environ.clear()
        os.environ.update(before)
    return set(ended.stdout.split())


def test_the_shell_completes_commands_sources_and_object_types(project: Project) -> None:
    project.write("all_persons", PERSONS)
    project.write("pipelines", PIPELINES)
    assert completed("pre", 1, project) == {"preview"}
    assert completed("data ", 2, project) == {"all_persons", "pipelines"}
    assert completed("import all", 2, project) == {"all_persons"}
    assert completed("options lead", 2, project) == {name for name in BUILT_IN if name.startswith("lead")}
    assert completed("status pipelines pa", 3, project) == {"paused"}
