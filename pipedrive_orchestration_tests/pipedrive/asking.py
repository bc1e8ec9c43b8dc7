"""Short ways to use a client in a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import TypeVar

from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.catalogue import DEALS
from pipedrive_orchestration.pipedrive.client import Client, Patience
from pipedrive_orchestration.pipedrive.clock import utc_now
from pipedrive_orchestration.pipedrive.object_types import Paging
from pipedrive_orchestration.pipedrive.responses import Page, open_page

T = TypeVar("T")

HURRY = Patience(deadline=0.4, first_deadline=0.4, attempt=0.2, blocked=0.05, odd=0.4)
SOON = Patience(deadline=1.0, first_deadline=1.0, attempt=30, blocked=0.05)
SHORT = Patience(deadline=1.5, first_deadline=1.0, attempt=0.3, blocked=0.05, odd=1.0, refused=1.0)

CALM = Patience(deadline=60, first_deadline=60, attempt=30, blocked=0.05)


def ask_calmly(
    connection: Connection, read: Callable[[bytes], T], *, patience: Patience = CALM, times: int = 1
) -> tuple[list[T], Client]:
    """Like :func:`ask`, where a busy machine must not count as an outage."""
    return ask(connection, read, patience=patience, times=times)


def ask(
    connection: Connection,
    read: Callable[[bytes], T],
    *,
    patience: Patience = SHORT,
    times: int = 1,
    clock: Callable[[], datetime] = utc_now,
) -> tuple[list[T], Client]:
    """What requests for deals, one after the other, end in, and the client that made them."""

    async def asking() -> tuple[list[T], Client]:
        async with Client(connection, patience=patience, clock=clock) as client:
            return [
                await client.get(DEALS.path, {"limit": 1}, cost=10, read=read) for _ in range(times)
            ], client

    return asyncio.run(asking())


def as_page(body: bytes) -> Page:
    """A page of a v2 list."""
    return open_page(body, Paging.CURSOR)


def read_pages(
    connection: Connection, read: Callable[[Client], AsyncIterator[Page]], *, patience: Patience = SHORT
) -> list[Page]:
    """All pages of a list."""

    async def reading() -> list[Page]:
        async with Client(connection, patience=patience) as client:
            return [page async for page in read(client)]

    return asyncio.run(reading())
