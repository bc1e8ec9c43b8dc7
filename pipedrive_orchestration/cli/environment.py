"""The variables that a command goes by: those of the process, completed by a ``.env`` file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.oauth import VARIABLES
from pipedrive_orchestration.sources import SourceStore
from pipedrive_orchestration.warehouse import Warehouse

DEFAULT_PROJECT = "./project"


def read_variables(folder: Path | None = None) -> dict[str, str]:
    """Variables of the process win over those of ``<folder>/.env``; empty ones count as absent."""
    stored = dotenv_values((folder or Path.cwd()) / ".env")
    merged = {name: value for name, value in stored.items() if value}
    return {**merged, **{name: value for name, value in os.environ.items() if value}}


def project_folder(variables: Mapping[str, str]) -> Path:
    """The folder with sources and workflows."""
    return Path(variables.get("PIPEDRIVE_PROJECT", DEFAULT_PROJECT))


def use_home(folder: Path) -> None:
    """Keep Dagster's state in ``folder`` unless DAGSTER_HOME names another place."""
    os.environ.setdefault("DAGSTER_HOME", str(folder.resolve()))
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "true")


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables of the process, completed by those of a ``.env`` file."""

    variables: Mapping[str, str]

    @classmethod
    def read(cls, folder: Path | None = None) -> Environment:
        """Variables of the process win over those of ``<folder>/.env``; empty ones count as absent."""
        return cls(read_variables(folder))

    @property
    def has_account(self) -> bool:
        """Whether a real account is meant, however incomplete what is said of it."""
        return any(self.variables.get(name, "").strip() for name in ("PIPEDRIVE_API_TOKEN", *VARIABLES))

    @property
    def connection(self) -> Connection:
        """The account.

        Raises:
            NotConnected: there is no usable token.
        """
        return Connection.from_environment(self.variables)

    @property
    def warehouse(self) -> Warehouse:
        """The database."""
        return Warehouse.from_environment(self.variables)

    @property
    def staging(self) -> Path:
        """The folder for pages that are read and not yet committed."""
        chosen = self.variables.get("PIPEDRIVE_STAGING")
        return Path(chosen) if chosen else self.warehouse.folder / "staging"

    @property
    def project(self) -> Path:
        """The folder with sources and workflows."""
        return project_folder(self.variables)

    @property
    def store(self) -> SourceStore:
        """The registry of sources."""
        return SourceStore(self.project)

    def plus(self, **more: str) -> Environment:
        """The same with other values for some variables."""
        return Environment({**self.variables, **more})
