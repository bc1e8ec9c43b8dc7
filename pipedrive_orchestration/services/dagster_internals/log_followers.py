"""The processes that follow the output of a run.

Dagster starts two processes that follow the output of a run, and has no place to say how.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from dagster._core.execution import compute_logs


@contextmanager
def followers_of_logs_without_interrupts() -> Iterator[None]:
    """Within it, the processes that Dagster starts to follow the output of a run take no Ctrl-C.

    A terminal sends it to them as well, and one of them would answer with a stack trace beside the sentence
    that the command has for it. They end with the run, or with its process.
    """
    follow = compute_logs.execute_posix_tail

    @contextmanager
    def shielded(path: str, stream: Any) -> Iterator[Any]:
        with ExitStack() as following:
            # A process inherits what the thread that starts it does not take.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                pids = following.enter_context(follow(path, stream))
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            yield pids

    compute_logs.execute_posix_tail = shielded
    try:
        yield
    finally:
        compute_logs.execute_posix_tail = follow
