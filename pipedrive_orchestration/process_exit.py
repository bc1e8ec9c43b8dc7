"""The end of a program's process."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable


def run_to_exit(program: Callable[[], object]) -> None:
    """Run a program whose process ends without Python's last search for garbage.

    That takes half a second of the two that a command with Dagster or dbt takes, for memory that the system
    has back all the same. All else of an end is as ever: threads are waited for, what was registered to be
    done is done, output is written, and the exit code is the program's.

    Raises:
        SystemExit: what the program has raised, and the process ends by it.
    """
    try:
        program()
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            register_exit(ended.code or 0)
        raise
    register_exit(0)


def register_exit(exit_code: int) -> None:
    """Let this process, which is about to end, do so with an exit code and as `run_to_exit` says."""
    atexit.register(_end, exit_code)


def _end(exit_code: int) -> None:
    atexit.unregister(_end)
    atexit._run_exitfuncs()  # noqa: SLF001 - all the others, which were registered before
    if _output_is_written():
        os._exit(exit_code & 0xFF)


def _output_is_written() -> bool:
    """Whether all output has gone; what is wrong with it is for Python to say, in its own way."""
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except (OSError, ValueError, AttributeError):
        return False
    return True
