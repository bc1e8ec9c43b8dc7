"""Other processes that do something with a database while a test looks on."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]


@contextmanager
def python(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Another Python process. It runs until its code ends, or a line is sent to it, or the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=_CHECKOUT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until_ready(process: subprocess.Popen[str]) -> None:
    """Until the process prints its first line; what went wrong if it ends without one."""
    assert process.stdout is not None
    assert process.stderr is not None
    if not process.stdout.readline():
        raise AssertionError(process.stderr.read())


def let_go(process: subprocess.Popen[str]) -> None:
    """Send the line that the process waits for."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
