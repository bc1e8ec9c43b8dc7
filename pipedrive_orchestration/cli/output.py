"""Output of commands: text and JSON, and signs that something goes on."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.status import Status
from rich.text import Text

from pipedrive_orchestration.sources import Problem
from pipedrive_orchestration.warehouse.waits import Wait

_COMMANDS = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]")
"""Characters that a terminal obeys and does not show, those that turn the direction of a line included."""


class TextConsole(Console):
    """A console on which text is text: nothing in it is a command to the terminal, a style or a link.

    What is shown comes from an account that many people, and web forms, write to.
    """

    def __init__(self, *, width: int | None = None, stderr: bool = False) -> None:
        super().__init__(width=width, stderr=stderr, markup=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The parts that are shown, without what a terminal would obey in their text."""
        for segment in super().render(renderable, options):
            if segment.control is None and _COMMANDS.search(segment.text):
                yield Segment(_COMMANDS.sub("", segment.text), segment.style)
            else:
                yield segment


out = TextConsole(width=None if sys.stdout.isatty() else 118)
err = TextConsole(stderr=True)


def say(text: object, *, to: Console = out, style: str | None = None) -> None:
    """Print text as it is, on as many lines as it has."""
    to.print(str(text), style=style, markup=False, highlight=False, soft_wrap=True)


def this_command() -> str:
    """The words that call this program again."""
    called = Path(sys.argv[0])
    return called.name if shutil.which(called.name) == str(called) else str(called)


def print_json(data: Any) -> None:
    """Print JSON for a program, with dates and times in ISO 8601 and other values as their text."""
    text = json.dumps(data, indent=2, ensure_ascii=False, default=_as_text)
    # What a terminal would obey stands there as JSON may write any character.
    typer.echo(re.sub(rf"(?!\n){_COMMANDS.pattern}", lambda match: f"\\u{ord(match[0]):04x}", text))


def problem_as_json(problem: Problem) -> dict[str, Any]:
    """A problem of a file as a program reads it; the keys are stable."""
    return {
        "line": problem.place.line,
        "column": problem.place.column,
        "field": problem.field,
        "code": problem.code,
        "message": problem.message,
    }


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date | datetime | time) else str(value)


@contextmanager
def busy(text: str) -> Iterator[None]:
    """Show that something goes on, to a person who watches."""
    if not err.is_terminal:
        yield
        return
    with err.status(text):
        yield


class ShownWait:
    """Shows a wait as long as it lasts to a person who watches, and as one line to anybody else."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._said = False

    def __call__(self, wait: Wait | None) -> None:
        """Take what is told of a wait; None ends it."""
        if wait is None:
            self.end()
        elif self._status is not None:
            self._status.update(Text(str(wait)))
        elif self._console.is_terminal:
            self._status = self._console.status(Text(str(wait)))
            self._status.start()
        elif not self._said:
            self._said = True
            self._console.print(f"{wait}.", markup=False, highlight=False, soft_wrap=True)

    def end(self) -> None:
        """Nothing is waited for any more."""
        self._said = False
        if self._status is not None:
            self._status.stop()
            self._status = None
