"""Where commands write: results to standard output, everything about how it went to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from typing import Any

import typer
from rich.console import Console

out = Console(width=None if sys.stdout.isatty() else 118)
err = Console(stderr=True)


def print_json(data: Any) -> None:
    """Print what a program reads: JSON, with dates and times in ISO 8601 and other values as their text."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False, default=_as_text))


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
