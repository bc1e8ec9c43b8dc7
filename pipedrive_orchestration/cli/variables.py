"""The variables that a command goes by: those of the process, completed by a ``.env`` file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

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
