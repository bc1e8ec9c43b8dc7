"""Values and labels of an account on a terminal: shown, never obeyed."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.table import Table

from pipedrive_orchestration.cli.output import TextConsole, print_json, say
from pipedrive_orchestration_tests.chaos.sizes import BODIES
from pipedrive_orchestration_tests.cli.conftest import Project, project
from pipedrive_orchestration_tests.importing.accounts import account, deal, field
from pipedrive_orchestration_tests.importing.canned import serving
from pipedrive_orchestration_tests.importing.imports import run, source

__all__ = ["project"]

COMMANDS = (
    "\x1b[2J\x1b[H", "\x1b]0;title\x07", "\x1b]8;;http://evil.example\x1b\\here\x1b]8;;\x1b\\", "\x9b31m",
    "\x1bP+q\x1b\\", "\x1b]52;c;cm0gLXJmIH4=\x07", "\x1b[6n", "over\rwritten", "back\x08\x08",
    "\u202egnp.exe", "\u2066x\u2069",
    "[red]red[/red]", "[/]", "[link=http://evil.example]here[/link]", ":warning:", "\x0e\x0f", "\x7f",
)  # fmt: skip
"""What terminals obey, and what the library that writes to them would."""

OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@contextmanager
def on_a_terminal() -> Iterator[tuple[TextConsole, io.StringIO]]:
    console = TextConsole(width=300)
    console.file = shown = io.StringIO()
    yield console, shown


@given(st.text(max_size=80) | st.sampled_from(COMMANDS))
@settings(max_examples=BODIES, deadline=None, derandomize=True)
def test_any_text_is_shown_as_it_is_without_what_a_terminal_obeys(text: str) -> None:
    with on_a_terminal() as (console, shown):
        table = Table(text, title=text, caption=text)
        table.add_row(text)
        console.print(table)
        say(text, to=console)
        console.print(text)
        said = shown.getvalue()
    assert OBEYED.search(said) is None
    for word in re.findall(r"[!-~]+", OBEYED.sub(" ", text)):
        assert word in said


@given(st.text(max_size=80) | st.sampled_from(COMMANDS))
@settings(max_examples=BODIES, deadline=None, derandomize=True)
def test_json_says_the_same_and_commands_nothing(text: str) -> None:
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.echo", said.append)
        print_json({text: [text]})
    assert OBEYED.search(said[0]) is None
    assert json.loads(said[0]) == {text: [text]}


def test_commands_show_an_account_that_means_no_good(project: Project, tmp_path: Path) -> None:
    keys = [f"{number:040x}" for number in range(3)]
    fields = [field(key, "varchar", label=label) for key, label in zip(keys, COMMANDS, strict=False)]
    hostile = [deal(n, dict.fromkeys(keys, text), title=text) for n, text in enumerate(COMMANDS, 1)]
    what = source("deals", ["title", *keys], {"history": True})
    warehouse = tmp_path / "data"
    warehouse.mkdir()
    for found in ([deal(n, title="before") for n in range(1, len(COMMANDS) + 1)], hostile):
        with serving(account("deals", found, fields)) as served:
            run(what, served.connection, warehouse)
    project.write("deals", {"name": COMMANDS[0], "object_type": "deals", "properties": ["title", *keys],
                            "pull_mode": "static", "options": {"history": True}})  # fmt: skip
    for command in (
        ("data", "deals"),
        ("data", "deals", "--json"),
        ("diff", "deals", "--from", "2020-01-01"),
        ("check",),
    ):
        ended = project.run(*command)
        assert OBEYED.search(ended.out + ended.err) is None, command
        assert ended.code in (0, 2), ended.err
    assert "[red]red[/red]" in project.run("data", "deals").out
