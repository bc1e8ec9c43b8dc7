"""The output of runs.

What a run prints goes to a file, which two processes show on the output as well. They take more CPU time than
the import of a short list, and a Ctrl-C in a terminal reaches them too. A thread does the same.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from dagster._core.execution import compute_logs

_SECONDS_BETWEEN_LOOKS = 0.2


@contextmanager
def _follow(path: str, stream: Any) -> Iterator[tuple[int, None]]:
    """Within it, what is appended to a file shows on a stream as well.

    Args:
        path: the file.
        stream: one that has a descriptor, which is about to become another one's; nothing shows on others.
    """
    # Whatever is raised within has no error of ours for its context.
    descriptor = None
    with suppress(AttributeError, OSError):
        descriptor = os.dup(stream.fileno())
    if descriptor is None:
        yield os.getpid(), None
        return
    ended = threading.Event()

    def show(output: BinaryIO, shown: BinaryIO) -> None:
        is_last = False
        while not is_last:
            is_last = ended.wait(_SECONDS_BETWEEN_LOOKS)
            # Nobody may be listening any more.
            with suppress(OSError):
                shutil.copyfileobj(output, shown)

    with os.fdopen(descriptor, "wb", buffering=0) as shown, Path(path).open("rb") as output:
        thread = threading.Thread(target=show, args=(output, shown), name="output of a run", daemon=True)
        thread.start()
        try:
            yield os.getpid(), None
        finally:
            ended.set()
            thread.join()


compute_logs.execute_posix_tail = _follow
