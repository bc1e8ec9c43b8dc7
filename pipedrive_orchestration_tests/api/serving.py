"""An API that really listens, on a project folder, an instance and a warehouse of its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import uvicorn
from starlette.types import ASGIApp

from pipedrive_orchestration.api.app import create_app
from pipedrive_orchestration.api.dependencies import ApiContext
from pipedrive_orchestration.api.keys import ApiKeys, Scope, new_key
from pipedrive_orchestration.demo.prompt_server import PromptServer
from pipedrive_orchestration.importing import Pull, import_source, windows_until
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.services.deployment import Deployment, store_of
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.sources import Source, SourceBody, SourceStore
from pipedrive_orchestration.workflows import Workflow, WorkflowStore
from pipedrive_orchestration.writing.model import Write
from pipedrive_orchestration.writing.store import WriteStore
from pipedrive_orchestration_tests.warehouse.backends import warehouse_in

NOBODY = "http://127.0.0.1:1"
"""Where no Dagster answers."""

DEALS: dict[str, Any] = {
    "name": "Open deals",
    "object_type": "deals",
    "properties": ["title", "value", "status"],
    "filters": {"conditions": [{"variable": "status", "condition": "equals", "values": ["open"]}]},
    "pull_mode": "active",
    "schedule": "*/30 * * * *",
}
STAGES: dict[str, Any] = {
    "name": "Stages",
    "object_type": "stages",
    "properties": ["name", "pipeline_id"],
    "pull_mode": "static",
}

PREVIEW_KEYS = ("object_type", "properties", "properties_metadata", "filters")


def previewed(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a preview takes of the body of a source."""
    return {key: body[key] for key in PREVIEW_KEYS if key in body}


OUTREACH = """\
# Who is to be written to.
name: Outreach
inputs:
  - {name: email, type: email}
  - {name: first_name, type: string}
auto_run: true
"""


@dataclass
class Api:
    """A client of an API, with keys for every scope and for none of them."""

    url: str
    context: ApiContext
    secrets: Mapping[str, str]
    client: httpx.Client

    def call(self, method: str, path: str, *, key: str | None = "all", **sent: Any) -> httpx.Response:
        headers = {
            **({"Authorization": f"Bearer {self.secrets[key]}"} if key else {}),
            **sent.pop("headers", {}),
        }
        return self.client.request(method, f"/api/v1{path}", headers=headers, **sent)

    def get(self, path: str, **sent: Any) -> httpx.Response:
        return self.call("GET", path, **sent)

    def post(self, path: str, **sent: Any) -> httpx.Response:
        return self.call("POST", path, **sent)

    @property
    def store(self) -> SourceStore:
        return self.context.deployment.store

    @property
    def instance(self) -> dg.DagsterInstance:
        return self.context.deployment.instance

    def add(self, **body: Any) -> Source:
        """A source whose file is written as a user would write it."""
        return self.store.create(SourceBody.parse(body))

    def run_import(self, source: Source) -> None:
        """Imports a source, and tells Dagster what a run of it would."""
        connection = Connection.from_settings(self.context.settings)
        warehouse = self.context.warehouse
        grid = windows_until(source, source.created_at) if source.type.partitioned else []
        import_source(
            source,
            connection=connection,
            warehouse=warehouse,
            staging=warehouse.folder / "staging",
            pull=Pull.WINDOW,
            windows=grid,
        )
        key = dg.AssetKey(["pipedrive", source.slug])
        partitions: list[str | None] = [window.key for window in grid]
        for partition in partitions or [None]:
            self.instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=partition))


def write_workflow(api: Api, slug: str = "outreach") -> Workflow:
    """A workflow whose file is written as a user would write it."""
    store = WorkflowStore(api.store.project)
    store.folder.mkdir(exist_ok=True)
    (store.folder / f"{slug}.yaml").write_text(OUTREACH)
    return store.load().find(slug)


TITLES = """\
name: Titles of deals
object_type: deals
operation: update
source: open_deals
rows: SELECT _id AS deal, title || '!' AS title FROM pipedrive.open_deals WHERE _is_current LIMIT 2
match: {deal: id}
fields: {title: title}
"""


def write_titles(api: Api) -> Write:
    """A write whose file is written as a user would write it; the source `DEALS` has to be there."""
    store = WriteStore(api.store.project)
    store.folder.mkdir(exist_ok=True)
    (store.folder / "titles.yaml").write_text(TITLES)
    return store.load().find("titles")


def keys() -> tuple[ApiKeys, dict[str, str]]:
    """A key for all scopes, one for each scope, and their secrets by name."""
    made = {"all": new_key("all", Scope)} | {
        scope: new_key(scope.replace(":", "_"), [scope]) for scope in Scope
    }
    return ApiKeys(tuple(key for _, key in made.values())), {
        name: secret for name, (secret, _) in made.items()
    }


@contextmanager
def listening(app: ASGIApp, **options: Any) -> Iterator[str]:
    """Serves an application on a free port as long as the block lasts; gives its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        # Connections wait from now on, before the server takes them.
        listener.listen(100)
        usual: dict[str, Any] = {"lifespan": "on", "ws": "none", "proxy_headers": False}
        config = uvicorn.Config(app, log_level="critical", access_log=False, **usual | options)
        server = PromptServer(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="api")
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=30)


@contextmanager
def running_api(
    folder: Path,
    instance: dg.DagsterInstance,
    variables: Mapping[str, str],
    *,
    dagster_url: str = NOBODY,
    **choices: Any,
) -> Iterator[Api]:
    """An API on a folder; ``choices`` go to its context."""
    known, secrets = keys()
    context = ApiContext(
        Deployment(store_of(folder / "project", instance), instance, dagster_url),
        warehouse_in(folder),
        Settings.from_variables(variables),
        keys=known,
        requests_per_minute=100_000,
    )
    context = replace(context, **choices)
    (folder / "project" / "sources").mkdir(parents=True, exist_ok=True)
    with (
        listening(create_app(context)) as url,
        httpx.Client(base_url=url, timeout=60, verify=False) as client,
    ):
        yield Api(url, context, secrets, client)
