"""Webhooks: how long the receiver takes, how late rows are, and what an event costs in CPU time.

``python -m benchmarks.webhooks`` (``--seconds 20``). The receiver is a process of its own; account,
deliveries and merger run in this one. Every deal is changed once, and its lag is from the change to the end
of the commit.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import socket
import statistics
import tempfile
import threading
import time
import uuid
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import orjson
import uvicorn

from pipedrive_orchestration.api.routes.webhooks import PATH, WebhookReceiver
from pipedrive_orchestration.demo import DemoServer, running_demo
from pipedrive_orchestration.demo import Settings as DemoSettings
from pipedrive_orchestration.importing import Pull, import_source, windows_until
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.webhooks.inbox import Inbox
from pipedrive_orchestration.webhooks.merger import Merger
from pipedrive_orchestration.webhooks.subscriptions import register

RATES = (1, 20, 200)
CREDENTIALS = {"PIPEDRIVE_WEBHOOK_USER": "pipedrive", "PIPEDRIVE_WEBHOOK_PASSWORD": "a password"}
SETTINGS = Settings.from_variables(CREDENTIALS)
LOOK_SECONDS = 1.0


def serve(folder: str, port: int) -> None:
    """The receiver, in a process of its own."""
    app = WebhookReceiver(Inbox(Path(folder)), SETTINGS)
    uvicorn.run(app, port=port, log_level="critical", access_log=False, lifespan="off")


@contextmanager
def receiving(inbox: Inbox) -> Iterator[str]:
    """The receiver on a free port; its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    process = get_context("spawn").Process(target=serve, args=(str(inbox.folder), port))
    process.start()
    url = f"http://127.0.0.1:{port}{PATH}"
    try:
        while True:
            try:
                httpx.get(url)
            except httpx.TransportError:
                time.sleep(0.1)
            else:
                break
        yield url
    finally:
        process.terminate()
        process.join()


async def answer_times(url: str, rate: int, seconds: float) -> list[float]:
    """Milliseconds until each of so many events a second was answered, over twenty connections."""
    address = urlsplit(url)
    body = orjson.dumps(
        {
            "data": {"id": 7, "title": "x" * 2_000, "update_time": "2026-05-20T10:00:00Z"},
            "previous": {},
            "meta": {
                "entity": "deal",
                "action": "change",
                "entity_id": "7",
                "timestamp": "2026-05-20T10:00:00Z",
            },
        }
    )
    secret = b64encode(":".join(CREDENTIALS.values()).encode()).decode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nhost: {address.netloc}\r\nauthorization: Basic {secret}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    connections = min(20, rate)
    times: list[float] = []

    async def send() -> None:
        # A client library takes more of the processor than the receiver does.
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        for _ in range(int(rate * seconds) // connections):
            began = time.perf_counter()
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            times.append((time.perf_counter() - began) * 1000)
            assert b" 200 " in answer, answer
            await asyncio.sleep(max(0.0, began + connections / rate - time.perf_counter()))
        writer.close()

    await asyncio.gather(*(send() for _ in range(connections)))
    return times


class Live:
    """A source of deals, imported, and the merger behind the receiver."""

    def __init__(self, demo: DemoServer, folder: Path) -> None:
        self.demo = demo
        self.inbox = Inbox(folder / "inbox")
        self.connection = Connection.of(demo.url, demo.token)
        self.warehouse = Warehouse(str(folder / "warehouse.duckdb"))
        self.staging = folder / "staging"
        self.source = Source(
            slug="deals",
            id=uuid.uuid4(),
            name="Deals",
            object_type="deals",
            properties=("title", "value", "status", "stage_id", "owner_id"),
            pull_mode="static",
            created_at=datetime.now(UTC),
        )
        import_source(
            self.source,
            connection=self.connection,
            warehouse=self.warehouse,
            staging=self.staging,
            pull=Pull.WINDOW,
            windows=windows_until(self.source, datetime.now(UTC)),
        )
        records = demo.account.records("deals")
        self.unchanged = [one["id"] for one in records if one["status"] == "open" and not one["is_archived"]]

    def lags(self, rate: int, seconds: float) -> tuple[list[float], int]:
        """Seconds from each change to the end of its commit, and how many requests the merger made."""
        merger = Merger(self.inbox, self.connection, self.warehouse, self.staging)
        changed: dict[str, float] = {}
        lags: list[float] = []
        asked = len(self.demo.account.requests)
        stopped = threading.Event()

        def merge() -> None:
            seen: set[str] = set()
            while not stopped.wait(LOOK_SECONDS):
                merger.merge([self.source])
                now = time.time()
                with self.warehouse.reading() as connection:
                    rows = connection.execute(
                        "SELECT _id::VARCHAR FROM pipedrive.deals WHERE title LIKE 'Changed %'"
                    ).fetchall()
                for (record_id,) in rows:
                    if record_id not in seen and record_id in changed:
                        seen.add(record_id)
                        lags.append(now - changed[record_id])

        thread = threading.Thread(target=merge)
        thread.start()
        count = min(int(rate * seconds), len(self.unchanged))
        began = time.time()
        for number in range(count):
            time.sleep(max(0.0, began + number / rate - time.time()))
            deal = self.unchanged.pop()
            changed[str(deal)] = time.time()
            self.demo.write("PATCH", f"/api/v2/deals/{deal}", {"title": f"Changed {number}"})
        deadline = time.time() + 60
        while len(lags) < count and time.time() < deadline:
            time.sleep(0.1)
        stopped.set()
        thread.join()
        return lags, len(self.demo.account.requests) - asked


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder, receiving(Inbox(Path(folder) / "inbox")) as url:
        print("| events a second | answered after ms, median | 95 % | slowest |\n|---|---|---|---|")
        for rate in RATES:
            times = sorted(asyncio.run(answer_times(url, rate, seconds)))
            at_95 = times[int(len(times) * 0.95) - 1]
            print(f"| {rate} | {statistics.median(times):.1f} | {at_95:.1f} | {times[-1]:.1f} |", flush=True)
    with (
        running_demo(DemoSettings(scale=4.0, burst=0)) as demo,
        tempfile.TemporaryDirectory() as folder,
    ):
        live = Live(demo, Path(folder))
        with receiving(live.inbox) as url:
            asyncio.run(register(live.connection, SETTINGS, [live.source], url))
            print("\n| changes a second | rows | lag s, median | 99 % | CPU s per 1,000 | requests |")
            print("|---|---|---|---|---|---|")
            for rate in RATES:
                before = resource.getrusage(resource.RUSAGE_SELF)
                lags, requests = live.lags(rate, seconds)
                after = resource.getrusage(resource.RUSAGE_SELF)
                cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                lags.sort()
                at_99 = lags[int(len(lags) * 0.99) - 1]
                print(
                    f"| {rate} | {len(lags):,} | {statistics.median(lags):.1f} | {at_99:.1f} | "
                    f"{cpu / len(lags) * 1000:.1f} | {requests} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
