"""Python's search for garbage, left out where nothing is thrown away."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """No search for garbage within the block.

    It takes a fifth of the time of imports, and a quarter of that of making a demo account, of which nothing
    is thrown away.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
