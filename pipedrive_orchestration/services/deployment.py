"""Where sources live: a project folder, Dagster's instance, and the web server in front of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from pipedrive_orchestration.sources import SourceStore

DEFAULT_DAGSTER_URL = "http://127.0.0.1:3000"


@dataclass(frozen=True, slots=True)
class Deployment:
    """What it takes to create, pause and delete sources.

    Attributes:
        store: the project folder.
        instance: Dagster's runs, events and schedule states.
        dagster_url: base address of Dagster's web server, which need not be running.
    """

    store: SourceStore
    instance: dg.DagsterInstance
    dagster_url: str = DEFAULT_DAGSTER_URL

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], folder: Path) -> Deployment:
        """What ``PIPEDRIVE_PROJECT``, ``PIPEDRIVE_DAGSTER_URL`` and ``DAGSTER_HOME`` name.

        Args:
            environment: the variables.
            folder: where Dagster keeps its state unless ``DAGSTER_HOME`` says otherwise. Its runs find it
                through that variable, so the variable is set for this process.
        """
        home = environment.get("DAGSTER_HOME") or str(folder.resolve())
        os.environ["DAGSTER_HOME"] = home
        os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "true")
        return cls(
            store=SourceStore(environment.get("PIPEDRIVE_PROJECT") or "project"),
            instance=dg.DagsterInstance.get(),
            dagster_url=environment.get("PIPEDRIVE_DAGSTER_URL") or DEFAULT_DAGSTER_URL,
        )
