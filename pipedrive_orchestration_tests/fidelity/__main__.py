"""Reads the demo account through Pipedrive's own npm client and compares: ``make fidelity``.

Every list is read twice, through the client and directly. Then a record of every collection is written to
another account, by single changes and by plans, and read back through the client, field by field.

Needs node, npm and a reachable npm registry. Everything is installed into a scratch folder, which is
removed at the end. Exits with 1 if any collection differs, with 2 if node or npm is missing or fails.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from pipedrive_orchestration.demo import Settings, running_demo
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.pipedrive.object_types import Linked, ObjectType, Paging, Single
from pipedrive_orchestration.pipedrive.requests import WRITABLE
from pipedrive_orchestration_tests.fidelity.written import WrittenRecord, written_records

CLIENT = "pipedrive@^33"
COLLECTIONS = (
    *("persons", "organizations", "deals", "activities", "products", "pipelines", "stages"),
    *("notes", "leads", "users"),
    *("files", "roles", "call_logs", "mail_threads", "goals", "permission_sets", "legacy_teams", "webhooks"),
    *("currencies", "filters", "activity_types", "lead_labels"),
    *("projects", "tasks", "boards", "project_templates"),
)
CHILDREN = (
    *("deal_products", "deal_installments", "deal_discounts"),
    *("deal_changes", "person_changes", "organization_changes"),
    *("deal_flow", "person_flow", "organization_flow"),
    *("deal_participants", "deal_participant_changes"),
    *("deal_followers", "person_followers", "organization_followers", "product_followers", "user_followers"),
    *(
        "deal_permitted_users",
        "product_variations",
        "product_images",
        "product_deals",
        "person_products",
        "organization_relationships",
    ),
    *("mail_messages", "note_comments", "role_assignments", "project_plan", "project_groups"),
)
PARENTS = 40
"""Of so many parents what lies below them is compared, a page each."""

WRITTEN_SCALE = 0.02
"""The size of the account that is written to."""

ASKED = {
    "mail_threads": {"folder": "inbox"},
    "goals": {"expected_outcome.tracking_metric": "quantity"},
}
"""Parameters without which a list refuses to answer."""
_SCRIPT = Path(__file__).with_name("read_through_client.mjs")
_READ_WRITTEN = Path(__file__).with_name("read_written.mjs")
_CHECKOUT = Path(__file__).resolve().parents[2]
_INSTALL_SECONDS = 300
_READ_SECONDS = 120

Ids = dict[str, list[Any]]


def main() -> int:
    """Install, read twice, compare; returns the exit code."""
    console = Console()
    missing = [tool for tool in ("node", "npm") if shutil.which(tool) is None]
    if missing:
        console.print(f"{' and '.join(missing)} not found: install Node.js 20 or newer")
        return 2
    try:
        with tempfile.TemporaryDirectory(prefix="pipedrive-fidelity-") as scratch, _demo_account() as account:
            version = _install(Path(scratch))
            client = _read_with_client(Path(scratch), account)
            direct = _read_directly(account)
            written, read = _write_and_read_back(Path(scratch))
    except subprocess.SubprocessError as error:
        console.print(f"{error}\n{getattr(error, 'stderr', None) or ''}", markup=False)
        return 2
    return _compare(console, version, client, direct) | _compare_written(console, written, read)


@contextmanager
def _demo_account() -> Iterator[dict[str, str]]:
    """A demo account as a process; yields the environment that points at it."""
    command = [
        *(sys.executable, "-m", "pipedrive_orchestration.demo"),
        *("--port", "0", "--burst", "0", "--until-parent-exits"),
    ]
    with subprocess.Popen(command, cwd=_CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise subprocess.CalledProcessError(process.wait(), command)
            yield dict(setting.split("=", 1) for setting in line.split())
        finally:
            process.terminate()


def _install(scratch: Path) -> str:
    """Install the client; returns its version."""
    (scratch / "package.json").write_text('{"private": true}')
    _run(["npm", "install", "--no-audit", "--no-fund", CLIENT], scratch, {}, _INSTALL_SECONDS)
    package = scratch / "node_modules" / "pipedrive" / "package.json"
    return str(json.loads(package.read_text())["version"])


def _read_with_client(scratch: Path, account: dict[str, str]) -> Ids:
    ids: Ids = json.loads(_run(["node", str(_SCRIPT)], scratch, account, _READ_SECONDS))
    return ids


def _write_and_read_back(scratch: Path) -> tuple[list[WrittenRecord], list[Any]]:
    """What was written to an account of its own, and the same as the client reads it."""
    with running_demo(Settings(burst=0, scale=WRITTEN_SCALE)) as server:
        account = {"PIPEDRIVE_API_URL": server.url, "PIPEDRIVE_API_TOKEN": server.token}
        written = written_records(server)
        asked = json.dumps([one.asked_for for one in written])
        return written, json.loads(_run(["node", str(_READ_WRITTEN)], scratch, account, _READ_SECONDS, asked))


def _run(
    command: list[str], folder: Path, environment: dict[str, str], seconds: float, given: str | None = None
) -> str:
    completed = subprocess.run(
        command,
        input=given,
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=True,
    )
    return completed.stdout


def _read_directly(account: dict[str, str]) -> Ids:
    headers = {"x-api-token": account["PIPEDRIVE_API_TOKEN"]}
    with httpx.Client(base_url=account["PIPEDRIVE_API_URL"], headers=headers) as http:
        ids = {name: _every_id(http, BUILT_IN[name]) for name in COLLECTIONS}
        return ids | {name: _below(http, BUILT_IN[name], ids) for name in CHILDREN}


def _below(http: httpx.Client, object_type: ObjectType, ids: Ids) -> list[str]:
    """What lies below the first parents, as ``parent:id``."""
    assert object_type.parent is not None
    found = []
    for parent in ids[object_type.parent.type.name][:PARENTS]:
        listing, query = object_type.children_listing([str(parent)])
        answer = http.get(listing.path, params=query)
        if answer.status_code == httpx.codes.NOT_FOUND:
            continue
        data = answer.raise_for_status().json()["data"] or ()
        if isinstance(object_type.records, Single):
            data = [data]
        elif isinstance(object_type.records, Linked):
            data = [name for item in data for name in item]
        found += [f"{parent}:{_name_of(child)}" for child in data]
    return found


def _name_of(child: Any) -> Any:
    """What tells a record from its siblings: its id, or what stands for one."""
    if not isinstance(child, dict):
        return child
    names = (child.get(key) for key in ("id", "uuid", "user_id", "item_id", "time"))
    known = next((name for name in names if name is not None), None)
    return child["data"]["id"] if known is None and "data" in child else known


def _every_id(http: httpx.Client, object_type: ObjectType) -> list[Any]:
    """The ids of a collection, read with other page sizes than the client uses."""
    ids: list[Any] = []
    paging = {} if object_type.paging is Paging.NONE else {"limit": min(90, object_type.page_size)}
    parameters: dict[str, Any] | None = paging | ASKED.get(object_type.name, {})
    while parameters is not None:
        answer = http.get(object_type.path, params=parameters).raise_for_status().json()
        data = answer["data"]
        if isinstance(object_type.records, str) and object_type.records:
            data = data[object_type.records]
        ids += [record["id"] for record in data or ()]
        parameters = _next_page(answer, parameters)
    return ids


def _next_page(answer: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any] | None:
    more = answer.get("additional_data") or {}
    if more.get("next_cursor"):
        return parameters | {"cursor": more["next_cursor"]}
    pagination = more.get("pagination") or {}
    return parameters | {"start": pagination["next_start"]} if "next_start" in pagination else None


def _compare(console: Console, version: str, client: Ids, direct: Ids) -> int:
    table = Table("collection", "through the client", "directly", "checksum", "")
    differing = 0
    for name in (*COLLECTIONS, *CHILDREN):
        through, straight = _checksum(client[name]), _checksum(direct[name])
        same = through == straight and len(direct[name]) > 0
        differing += not same
        checksums = through if same else f"{through} / {straight}"
        table.add_row(
            name, str(len(client[name])), str(len(direct[name])), checksums, "same" if same else "DIFFERENT"
        )
    console.print(f"pipedrive {version} (npm) against the demo account")
    console.print(table)
    return 1 if differing else 0


def _compare_written(console: Console, written: list[WrittenRecord], read: list[Any]) -> int:
    table = Table("collection", "written by", "records", "fields", "")
    found: dict[tuple[str, str], list[tuple[int, list[str]]]] = defaultdict(list)
    for one, record in zip(written, read, strict=True):
        found[one.collection, one.how].append((len(one.values), list(one.differences(record))))
    differing = [difference for records in found.values() for _, some in records for difference in some]
    for (collection, how), records in found.items():
        fields = sum(count for count, _ in records)
        same = not any(some for _, some in records)
        table.add_row(collection, how, str(len(records)), str(fields), "same" if same else "DIFFERENT")
    console.print("What was written, read back through the client")
    console.print(table)
    for difference in differing:
        console.print(difference, markup=False)
    missing = WRITABLE.keys() - {collection for collection, _ in found}
    if missing:
        console.print(f"Not written: {', '.join(sorted(missing))}")
    return int(bool(differing or missing))


def _checksum(ids: list[Any]) -> str:
    return hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:12]


if __name__ == "__main__":
    sys.exit(main())
