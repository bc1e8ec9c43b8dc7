"""A process of a test's own that takes orders, a line each, and ends when there are no more."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def obeying(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Runs a module as a program; orders go to its ``stdin``, answers come from its ``stdout``."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=30)
