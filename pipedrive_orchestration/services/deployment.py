"""Where sources live: a project folder, Dagster's instance, and the web server in front of it."""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg

from pipedrive_orchestration.settings import Settings, export
from pipedrive_orchestration.sources import SourceStore

DEFAULT_DAGSTER_URL: str = Settings.model_fields["dagster_url"].default


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
    def from_settings(cls, settings: Settings) -> Deployment:
        """The deployment that the settings name."""
        return cls(
            store=SourceStore(settings.project),
            instance=dagster_instance(settings),
            dagster_url=settings.dagster_url,
        )


def dagster_instance(settings: Settings) -> dg.DagsterInstance:
    """Dagster's instance in the home folder, which its runs find as well."""
    use_home(settings)
    return dg.DagsterInstance.get()


def use_home(settings: Settings) -> None:
    """Make the home folder Dagster's in this process, and in those that are started from it."""
    export({"DAGSTER_HOME": str(settings.home.resolve()), "DAGSTER_DISABLE_TELEMETRY": "true"})
