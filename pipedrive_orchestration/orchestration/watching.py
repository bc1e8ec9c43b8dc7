"""Letting whoever runs an import in this process watch it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pipedrive_orchestration.importing import ImportEvent, Listener

_watcher: ContextVar[Listener | None] = ContextVar("watcher", default=None)


@contextmanager
def watching(listener: Listener) -> Iterator[None]:
    """Lets a listener hear of imports that run in this process, in this context, within the block."""
    token = _watcher.set(listener)
    try:
        yield
    finally:
        _watcher.reset(token)


def tell_watcher(event: ImportEvent) -> None:
    """Passes an event of an import on to whoever watches."""
    listener = _watcher.get()
    if listener is not None:
        listener(event)
