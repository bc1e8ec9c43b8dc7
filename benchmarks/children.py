"""Children of deals, ours beside dlt's: ``python -m benchmarks.children [--deals 10000] [--peer PYTHON]``.

Prints requests, tokens and seconds. The peer is the interpreter of an environment in which
``dlt[duckdb,parquet]`` is installed; without one, ours is measured alone. The account is this process's,
every import a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pipedrive_orchestration.demo import DemoServer, Settings, running_demo

DEALS_AT_SCALE_1 = 2_670
"""The deals that the demo account lists at its usual size."""

CHILDREN = ("deal_participants", "deal_changes", "deal_flow")


def main() -> None:
    """Run everything and print a table in Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--deals", type=int, default=10_000)
    parser.add_argument("--peer", default="", help="Python of an environment with dlt.")
    chosen = parser.parse_args()
    settings = Settings(scale=chosen.deals / DEALS_AT_SCALE_1, burst=0, daily_tokens=0)
    with running_demo(settings) as demo, tempfile.TemporaryDirectory() as folder:
        deals = demo.account.records("deals")
        count = sum(not (one["is_deleted"] or one["is_archived"]) for one in deals)
        print(f"{count:,} deals\n\n| what | requests | tokens | seconds |\n|---|---|---|---|", flush=True)
        ours(demo, "deals alone, first", folder, "window")
        for object_type in CHILDREN:
            ours(demo, f"and `{object_type}`, first", folder, "changes", object_type)
        ours(demo, "all again, nothing changed", folder, "changes", *CHILDREN)
        for again in ("", " again, nothing changed") if chosen.peer else ():
            arguments = [demo.url, demo.token, f"{folder}/dlt.duckdb"]
            command = [chosen.peer, "benchmarks/peer_children.py", *arguments]
            measured(demo, f"dlt: deals, participants and flow{again}", command)


def ours(demo: DemoServer, what: str, folder: str, pull: str, *object_types: str) -> None:
    """One line of an import of ours."""
    arguments = [demo.url, demo.token, folder, pull, *object_types]
    measured(demo, what, [sys.executable, "-m", "benchmarks.one_child_import", *arguments])


def measured(demo: DemoServer, what: str, command: Sequence[str]) -> None:
    """Run a command and print what it asked of the account."""
    before = len(demo.account.requests)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
    seconds = json.loads(done.stdout.splitlines()[-1])["seconds"]
    asked = demo.account.requests[before:]
    tokens = sum(one.tokens for one in asked)
    print(f"| {what} | {len(asked):,} | {tokens:,} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
