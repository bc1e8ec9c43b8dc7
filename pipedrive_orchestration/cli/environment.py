"""The account, database and project folder that a command works on, as the settings name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.settings import Settings, export, read_variables
from pipedrive_orchestration.sources import InMemoryKeyValues, SourceStore
from pipedrive_orchestration.warehouse import Warehouse

DEMO_FOLDER = Path("data/demo")
"""The folder of the demo's account and database; a real account never touches it."""

DEMO_DATABASE = DEMO_FOLDER / "warehouse.duckdb"


@dataclass(frozen=True, slots=True)
class Environment:
    """The account, database and project folder of a command.

    Attributes:
        settings: the variables that are ours.
        variables: all variables of the process and of its ``.env`` file.
    """

    settings: Settings
    variables: Mapping[str, str]

    @classmethod
    def read(cls, folder: Path | None = None) -> Environment:
        """The environment of this process, completed by ``<folder>/.env``.

        Raises:
            SettingsError: values that cannot be used, or a file that cannot be read; all at once.
        """
        variables = read_variables(folder)
        return cls(_with_demo_database(Settings.from_variables(variables)), variables)

    @property
    def connection(self) -> Connection:
        """The account.

        Raises:
            NotConnected: there is no usable token.
        """
        return Connection.from_settings(self.settings)

    @property
    def warehouse(self) -> Warehouse:
        """The database."""
        return Warehouse.from_settings(self.settings)

    @property
    def project(self) -> Path:
        """The folder with sources and workflows."""
        return self.settings.project

    @property
    def store(self) -> SourceStore:
        """The sources as their files say, without what Dagster remembers of them.

        When a hand-written one was first seen is not known here, so an import is planned from the store of a
        deployment.
        """
        return SourceStore(self.project, InMemoryKeyValues())

    def but(self, **changes: object) -> Environment:
        """The same with other settings."""
        return replace(self, settings=self.settings.but(**changes))

    def export(self) -> None:
        """Put everything into the environment of this process, for Dagster and what it starts."""
        export({**self.variables, **self.settings.variables()})


def _with_demo_database(settings: Settings) -> Settings:
    """The settings with the demo's database, where there is no account and no other database.

    So what `demo` and `dev` have imported is what the other commands show.
    """
    chosen = settings.has_account or "warehouse" in settings.model_fields_set
    if chosen or Warehouse.from_settings(settings).exists or not DEMO_DATABASE.exists():
        return settings
    return settings.but(warehouse=str(DEMO_DATABASE))
