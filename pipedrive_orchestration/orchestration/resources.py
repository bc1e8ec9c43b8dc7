"""What an asset needs from outside: the account and the warehouse."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource
from pydantic import Field

from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.warehouse.connection import DEFAULT_DATABASE
from pipedrive_orchestration.warehouse.publish import KeptPublished


class PipedriveResource(dg.ConfigurableResource[Connection]):
    """The Pipedrive account to import from."""

    url: str = Field(default="", description="Base without /api/v2; empty for https://api.pipedrive.com.")
    token: str = Field(default="", repr=False, description="API token, sent in the x-api-token header.")
    oauth_url: str = Field(default="", description="Host of OAuth; empty for https://oauth.pipedrive.com.")
    oauth_client_id: str = Field(default="", description="The app to sign in as, where there is no token.")
    oauth_client_secret: str = Field(default="", repr=False, description="Secret of the app.")
    oauth_refresh_token: str = Field(default="", repr=False, description="What its installation gave.")

    def connection(self) -> Connection:
        """The account's address and secret.

        Raises:
            NotConnected: There is neither a usable token nor a complete app.
        """
        return Connection.from_environment(
            {
                "PIPEDRIVE_API_URL": self.url,
                "PIPEDRIVE_API_TOKEN": self.token,
                "PIPEDRIVE_OAUTH_URL": self.oauth_url,
                "PIPEDRIVE_OAUTH_CLIENT_ID": self.oauth_client_id,
                "PIPEDRIVE_OAUTH_CLIENT_SECRET": self.oauth_client_secret,
                "PIPEDRIVE_OAUTH_REFRESH_TOKEN": self.oauth_refresh_token,
                "DAGSTER_HOME": os.environ.get("DAGSTER_HOME", ""),
            }
        )


class WarehouseResource(DuckDBResource):
    """The DuckDB database that holds the imported rows.

    An import opens it for its commits only; see `Warehouse`.
    """

    staging: str = Field(default="", description="Folder of staged pages; empty for one beside the database.")
    publish: str = Field(
        default="", description="Where a copy for other programs is published; empty for none."
    )
    publish_every: str = Field(default="", description="Seconds between two copies; empty for 300.")

    def warehouse(self) -> Warehouse:
        """The database, to be opened for reading or writing while it is needed."""
        return Warehouse(self.database)

    def staging_folder(self) -> Path:
        """Where pages are kept until they are committed."""
        return Path(self.staging) if self.staging else self.warehouse().folder / "staging"

    def kept_published(self) -> KeptPublished:
        """What keeps the published copy fresh during a run, if there is to be one."""
        return KeptPublished(
            {"PIPEDRIVE_PUBLISH": self.publish, "PIPEDRIVE_PUBLISH_EVERY": self.publish_every},
            self.warehouse(),
        )

    @contextmanager
    def get_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-only connection, closed at the end of the block whatever happens in it.

        The inherited one would be left open, and its file locked, when the block raises.

        Raises:
            WarehouseError: There is no database yet, or it cannot be opened.
        """
        with self.warehouse().reading() as connection:
            yield connection


def resources_of_environment() -> dict[str, dg.ConfigurableResource[object]]:
    """The resources as the environment configures them, looked up when a run starts.

    A variable that is not set stands for its default, so that a run can say itself what it misses.
    """
    return {
        "pipedrive": PipedriveResource(
            url=_variable("PIPEDRIVE_API_URL", ""),
            token=_variable("PIPEDRIVE_API_TOKEN", ""),
            oauth_url=_variable("PIPEDRIVE_OAUTH_URL", ""),
            oauth_client_id=_variable("PIPEDRIVE_OAUTH_CLIENT_ID", ""),
            oauth_client_secret=_variable("PIPEDRIVE_OAUTH_CLIENT_SECRET", ""),
            oauth_refresh_token=_variable("PIPEDRIVE_OAUTH_REFRESH_TOKEN", ""),
        ),
        "warehouse": WarehouseResource(
            database=_variable("PIPEDRIVE_WAREHOUSE", DEFAULT_DATABASE),
            staging=_variable("PIPEDRIVE_STAGING", ""),
            publish=_variable("PIPEDRIVE_PUBLISH", ""),
            publish_every=_variable("PIPEDRIVE_PUBLISH_EVERY", ""),
        ),
    }


def _variable(name: str, default: str) -> str:
    return dg.EnvVar(name) if os.environ.get(name) else default
