"""How the HTTP API answers under load: ``python -m benchmarks.api [--rows N] [--clients N] [--seconds N]``.

`serve` runs as a process of its own, as does the demo account. Every client has a key of its own, so that
none meets the rate limit, and waits for an answer before it asks again.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from pipedrive_orchestration.api.keys import ApiKey, Scope, new_key
from pipedrive_orchestration.sources import InMemoryKeyValues, SourceBody, SourceStore
from pipedrive_orchestration.warehouse import Warehouse, quoted, schema
from pipedrive_orchestration.warehouse.tables import ROWS, Column, prepare_table

COMMITS = 25
"""In how many commits the rows came: those of an import of two years of months."""

PACE = 0.31
"""Seconds between two calls of a client at least: 200 calls a minute are allowed."""

BODY: dict[str, Any] = {
    "name": "Persons",
    "object_type": "persons",
    "properties": ["name", "first_name", "last_name", "job_title", "notes"],
    "pull_mode": "static",
}

CREATORS = 8
"""How many clients create sources meanwhile."""

PREVIEW: dict[str, Any] = {key: BODY[key] for key in ("object_type", "properties")}


@dataclass
class Calls:
    """What came of some calls."""

    milliseconds: list[float] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)


def write_rows(warehouse: Warehouse, slug: str, rows: int) -> None:
    """A table of persons as imports leave it, in which one row of fifty is not current."""
    columns = [Column(key, "VARCHAR", key.title(), "varchar") for key in BODY["properties"]]
    values = ", ".join(f"'{column.label} of person ' || i" for column in columns)
    named = ", ".join(quoted(column.key) for column in columns)
    begun = datetime.now(UTC) - timedelta(days=1)
    with warehouse.writing() as connection:
        schema.prepare(connection)
        prepare_table(connection, slug, "BIGINT", columns, begun)
        for commit in range(COMMITS):
            connection.execute(
                f"INSERT INTO {quoted(ROWS, slug)} (_id, {named}, _update_time, _first_imported_at, "
                "_imported_at, _is_archived, _is_current) "
                f"SELECT (i * 7368787) % 100000007, {values}, $now, $now, $now, false, i % 50 <> 0 "
                "FROM range($begin, $end) AS r(i)",
                {
                    "now": begun + timedelta(seconds=commit),
                    "begin": commit * rows // COMMITS,
                    "end": (commit + 1) * rows // COMMITS,
                },
            )


@contextmanager
def process(command: Sequence[str], pattern: str, **options: Any) -> Iterator[str]:
    """A process, as soon as it has said where it answers."""
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, **options
    ) as one:
        assert one.stderr is not None
        try:
            said = ""
            for line in one.stderr:
                said += line
                found = re.search(pattern, said)
                if found:
                    yield found[1]
                    break
            else:
                raise RuntimeError(said)
        finally:
            one.terminate()


@contextmanager
def demo_account() -> Iterator[dict[str, str]]:
    """The demo account, without a burst limit; gives the variables that name it."""
    command = [sys.executable, "-m", "pipedrive_orchestration.demo", "--port", "0", "--burst", "0"]
    with subprocess.Popen([*command, "--scale", "0.2"], stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        try:
            yield dict(pair.split("=", 1) for pair in one.stdout.readline().split())
        finally:
            one.terminate()


@contextmanager
def serving(folder: Path, account: dict[str, str], keys: Sequence[ApiKey]) -> Iterator[str]:
    """The API on a folder; gives its address."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PIPEDRIVE_", "DAGSTER_"))
    }
    environment = {
        **kept,
        **account,
        "PIPEDRIVE_PROJECT": str(folder / "project"),
        "PIPEDRIVE_WAREHOUSE": str(folder / "warehouse.duckdb"),
        "PIPEDRIVE_API_KEYS": ",".join(map(str, keys)),
        "PIPEDRIVE_DAGSTER_URL": "http://127.0.0.1:1",
        "DAGSTER_HOME": str(folder),
    }
    command = [str(Path(sys.executable).with_name("pipedrive-orchestration")), "serve", "--port", "0"]
    with process(command, r"answers at\s+(http://\S+)", cwd=folder, env=environment) as url:
        yield url


Ask = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


async def load(url: str, secrets: Sequence[str], ask: Ask, seconds: float) -> Calls:
    """Every key's client asks again and again for so long."""
    calls, end = Calls(), time.monotonic() + seconds

    async def one(secret: str) -> None:
        headers = {"Authorization": f"Bearer {secret}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=120) as client:
            while time.monotonic() < end:
                began = time.perf_counter()
                answer = await ask(client)
                spent = time.perf_counter() - began
                calls.milliseconds.append(spent * 1000)
                calls.statuses.append(answer.status_code)
                await asyncio.sleep(max(0.0, PACE - spent))

    await asyncio.gather(*map(one, secrets))
    return calls


def row(what: str, calls: Calls, seconds: float) -> None:
    """One line of the table."""
    ordered = sorted(calls.milliseconds)
    errors = sum(status >= httpx.codes.BAD_REQUEST for status in calls.statuses)
    median, late = statistics.median(ordered), ordered[int(len(ordered) * 0.95)]
    print(
        f"| {what} | {len(ordered):,} | {errors} | {len(ordered) / seconds:.1f} | {median:.0f} | "
        f"{late:.0f} | {ordered[-1]:.0f} |",
        flush=True,
    )


async def run(url: str, secrets: Sequence[str], source_id: str, rows: int, seconds: float) -> None:
    """All cases, one after the other."""
    path = f"/sources/{source_id}/data"
    pages = rows * 49 // 50 // 20

    def deep(client: httpx.AsyncClient) -> Awaitable[httpx.Response]:
        return client.get(path, params={"page_no": 5000, "page_size": 20})

    def anywhere(client: httpx.AsyncClient) -> Awaitable[httpx.Response]:
        return client.get(path, params={"page_no": random.randint(1, pages)})

    def preview(client: httpx.AsyncClient) -> Awaitable[httpx.Response]:
        return client.post("/sources/import_from_pipedrive/preview", json=PREVIEW)

    def create(client: httpx.AsyncClient) -> Awaitable[httpx.Response]:
        return client.post("/sources/import_from_pipedrive", json=BODY)

    few = min(seconds, 10.0)
    row("`data`, page 5,000, one client", await load(url, secrets[:1], deep, few), few)
    row(f"`data`, any page, {len(secrets)} clients", await load(url, secrets, anywhere, seconds), seconds)
    row(f"`preview`, {len(secrets)} clients", await load(url, secrets, preview, seconds), seconds)
    row("`preview`, one client", await load(url, secrets[:1], preview, few), few)
    # Last, since every call reads the project folder and this makes hundreds of files.
    behind, creates = await asyncio.gather(
        load(url, secrets[:1], preview, few), load(url, secrets[1 : 1 + CREATORS], create, few)
    )
    row(f"`preview`, one client, while {CREATORS} create", behind, few)
    row(f"create, {CREATORS} clients", creates, few)


def main() -> None:
    """Run everything and print a table in Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    chosen = parser.parse_args()
    made = [
        new_key(f"client_{number}", [Scope.SOURCES_READ, Scope.SOURCES_WRITE])
        for number in range(chosen.clients)
    ]
    with tempfile.TemporaryDirectory() as name, demo_account() as account:
        folder = Path(name)
        source = SourceStore(folder / "project", InMemoryKeyValues()).create(SourceBody.parse(BODY))
        write_rows(Warehouse(str(folder / "warehouse.duckdb")), source.slug, chosen.rows)
        print(f"{chosen.rows:,} rows")
        print("| call | calls | errors | calls/s | median ms | 95 % ms | slowest ms |")
        print("|---|---|---|---|---|---|---|")
        with serving(folder, account, [key for _, key in made]) as url:
            secrets = [secret for secret, _ in made]
            asyncio.run(run(url, secrets, str(source.id), chosen.rows, chosen.seconds))


if __name__ == "__main__":
    main()
