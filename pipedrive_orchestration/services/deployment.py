"""A deployment: a project folder, Dagster's instance, and the web server in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import dagster as dg
from filelock import FileLock
from sqlalchemy.exc import DBAPIError

from pipedrive_orchestration.files import make_private_folder
from pipedrive_orchestration.services.dagster_internals import InstanceKeyValues, ScheduleStates
from pipedrive_orchestration.services.dagster_state import refuse_unusable
from pipedrive_orchestration.services.errors import (
    ForbiddenStateError,
    UnreadableStateError,
    UnusableConfigurationError,
)
from pipedrive_orchestration.services.names import DEFAULT_NAMES, LOCATION, DagsterNames
from pipedrive_orchestration.services.web_server import check_listening, reload_sources
from pipedrive_orchestration.settings import Settings, export
from pipedrive_orchestration.sources import SourceStore
from pipedrive_orchestration.template import CONFIGURATION, NotLaidOutError

DEFAULT_DAGSTER_URL: str = Settings.model_fields["dagster_url"].default


def store_of(
    project: Path | str, instance: dg.DagsterInstance, names: DagsterNames = DEFAULT_NAMES
) -> SourceStore:
    """The sources of a project folder, of which Dagster's storage remembers what is to be remembered."""
    return SourceStore(project, InstanceKeyValues(instance, names.prefix))


@dataclass(frozen=True, slots=True)
class Deployment:
    """The project folder and the Dagster in which sources are created, paused and deleted.

    Attributes:
        store: the project folder.
        instance: Dagster's runs, events and schedule states.
        dagster_url: base address of Dagster's web server, which need not be running.
        names: what Dagster calls the sources.
        location: the code location that shows them.
    """

    store: SourceStore
    instance: dg.DagsterInstance
    dagster_url: str = DEFAULT_DAGSTER_URL
    names: DagsterNames = DEFAULT_NAMES
    location: str = LOCATION

    @property
    def schedules(self) -> ScheduleStates:
        """The stored states of the sources' schedules."""
        return ScheduleStates(self.instance, self.location)

    def reload(self) -> None:
        """Let Dagster take a new snapshot of the project folder, and wait until it shows it.

        Raises:
            ReloadError: the web server does not answer, or cannot load the location.
        """
        reload_sources(self.dagster_url, self.location, self.names.state_key)

    def check_dagster(self) -> None:
        """Find out, without waiting for it, whether a Dagster runs that can be told of changes.

        Raises:
            ReloadError: none does.
        """
        check_listening(self.dagster_url)

    @classmethod
    def from_settings(cls, settings: Settings) -> Deployment:
        """The deployment that the settings name.

        Raises:
            NotLaidOutError: as `use_home` does.
        """
        instance = dagster_instance(settings)
        return cls(
            store=store_of(settings.project, instance),
            instance=instance,
            dagster_url=settings.dagster_url,
        )


@contextmanager
def deployed(settings: Settings) -> Iterator[Deployment]:
    """The deployment that the settings name; its instance is closed at the end of the block.

    Raises:
        NotLaidOutError: as `use_home` does.
        StateError: Dagster's state cannot be used, now or in the block.
    """
    try:
        deployment = Deployment.from_settings(settings)
        with deployment.instance:
            yield deployment
    except DBAPIError as error:
        raise UnreadableStateError(error.orig) from None


def dagster_instance(settings: Settings) -> dg.DagsterInstance:
    """Dagster's instance in the home folder, which its runs find as well.

    Raises:
        NotLaidOutError, StateError: as `use_home` does, and where Dagster does not take its configuration.
    """
    use_home(settings)
    # Two processes that make the tables of a fresh storage at once would be in each other's way.
    with FileLock(settings.state.resolve() / "opening.lock", thread_local=False):
        try:
            return dg.DagsterInstance.get()
        except dg.DagsterInvalidConfigError as error:
            reason = "; ".join(problem.message for problem in error.errors)
            raise UnusableConfigurationError(settings.home.resolve() / CONFIGURATION, reason) from None


def use_home(settings: Settings) -> None:
    """Make the home folder Dagster's in this process, and in those that are started from it.

    Raises:
        NotLaidOutError: the working folder has no settings of Dagster's, and no variable names another.
        StateError: Dagster's state cannot be opened.
    """
    home = settings.home.resolve()
    if "home" not in settings.model_fields_set and not (home / CONFIGURATION).exists():
        raise NotLaidOutError(home, CONFIGURATION)
    refuse_unusable(home)
    state = settings.state.resolve()
    try:
        make_private_folder(state)
        with NamedTemporaryFile(dir=state):
            "Dagster can write there."
    except OSError as error:
        raise ForbiddenStateError(state, error.strerror) from None
    export({"DAGSTER_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "true"})
