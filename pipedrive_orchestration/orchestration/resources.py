"""What an asset needs from outside: the account and the warehouse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource
from pydantic import Field

from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.warehouse.publish import EVERY_SECONDS, KeptPublished, Publisher
from pipedrive_orchestration.warehouse.storage import STORAGE_VERSION


class PipedriveResource(dg.ConfigurableResource[Connection]):
    """The Pipedrive account to import from."""

    url: str = Field(default="", description="Base without /api/v2; empty for https://api.pipedrive.com.")
    token: str = Field(default="", repr=False, description="API token, sent in the x-api-token header.")
    oauth_url: str = Field(default="", description="Host of OAuth; empty for https://oauth.pipedrive.com.")
    oauth_client_id: str = Field(default="", description="The app to sign in as, where there is no token.")
    oauth_client_secret: str = Field(default="", repr=False, description="Secret of the app.")
    oauth_refresh_token: str = Field(default="", repr=False, description="What its installation gave.")
    oauth_database: str = Field(default="", description="Database of its newest tokens; empty for a file.")

    home: str = Field(
        default="",
        description="Folder below which the tokens of an app are kept; empty for the working folder.",
    )

    def connection(self) -> Connection:
        """The account's address and secret.

        Raises:
            NotConnected: There is neither a usable token nor a complete app.
        """
        given = {
            "api_url": self.url,
            "api_token": self.token,
            "oauth_url": self.oauth_url,
            "oauth_client_id": self.oauth_client_id,
            "oauth_client_secret": self.oauth_client_secret,
            "oauth_refresh_token": self.oauth_refresh_token,
            "oauth_database": self.oauth_database,
            "home": self.home,
        }
        return Connection.from_settings(
            Settings.from_variables({Settings.variable(field): value for field, value in given.items()})
        )


class WarehouseResource(DuckDBResource):
    """The DuckDB database that holds the imported rows.

    An import opens it for its commits only; see `Warehouse`.
    """

    storage_version: str = Field(
        default=STORAGE_VERSION, description="The format of a database file that is made new."
    )
    data: str = Field(default="", description="Where a lake keeps its files; empty for beside its catalogue.")
    s3_key_id: str = Field(default="", description="Name of the key of S3, where a lake's files lie there.")
    s3_secret: str = Field(default="", repr=False, description="The key itself.")
    s3_endpoint: str = Field(default="", description="The server that speaks S3; empty for Amazon's.")
    s3_region: str = Field(default="", description="The region of the bucket.")
    motherduck_token: str = Field(default="", repr=False, description="Access token of MotherDuck.")
    staging: str = Field(default="", description="Folder of staged pages; empty for one beside the database.")
    publish: str = Field(
        default="", description="Where a copy for other programs is published; empty for none."
    )
    publish_every: float = Field(default=EVERY_SECONDS, description="Seconds between two copies.")

    def warehouse(self) -> Warehouse:
        """The database, to be opened for reading or writing while it is needed."""
        given = {
            "warehouse": self.database, "storage_version": self.storage_version, "warehouse_data": self.data,
            "s3_key_id": self.s3_key_id, "s3_secret": self.s3_secret, "s3_endpoint": self.s3_endpoint,
            "s3_region": self.s3_region, "motherduck_token": self.motherduck_token,
        }  # fmt: skip
        settings = Settings.model_validate({name: value for name, value in given.items() if value})
        return Warehouse.from_settings(settings)

    def staging_folder(self) -> Path:
        """Where pages are kept until they are committed."""
        return Path(self.staging) if self.staging else self.warehouse().folder / "staging"

    def kept_published(self) -> KeptPublished:
        """What keeps the published copy fresh during a run, if there is to be one."""
        wanted = Publisher(self.warehouse(), Path(self.publish), self.publish_every) if self.publish else None
        return KeptPublished(wanted)

    @contextmanager
    def get_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-only connection, closed at the end of the block whatever happens in it.

        The inherited one would be left open, and its file locked, when the block raises.

        Raises:
            WarehouseError: There is no database yet, or it cannot be opened.
        """
        with self.warehouse().reading() as connection:
            yield connection


def resources_of(
    settings: Settings, variables: Mapping[str, str] = MappingProxyType({})
) -> dict[str, dg.ConfigurableResource[object]]:
    """The account and the database of the settings.

    Secrets are named and not held: a run looks them up in its process's environment, and Dagster shows the
    variable's name. What is not set stands for its default, so that a run can say itself what it misses.

    Args:
        settings: what the resources are to be.
        variables: which variables hold the secrets, by field, where they are not those of the settings.
    """

    def secret(field: str) -> str:
        variable = variables.get(field, settings.variable(field))
        return dg.EnvVar(variable) if getattr(settings, field) else ""

    return {
        "pipedrive": PipedriveResource(
            url=settings.api_url,
            token=secret("api_token"),
            oauth_url=settings.oauth_url,
            oauth_client_id=settings.oauth_client_id or "",
            oauth_client_secret=secret("oauth_client_secret"),
            oauth_refresh_token=secret("oauth_refresh_token"),
            oauth_database=settings.oauth_database or "",
            home=str(settings.home),
        ),
        "warehouse": WarehouseResource(
            database=settings.warehouse,
            data=settings.warehouse_data or "",
            storage_version=settings.storage_version,
            s3_key_id=settings.s3_key_id or "",
            s3_secret=secret("s3_secret"),
            s3_endpoint=settings.s3_endpoint or "",
            s3_region=settings.s3_region or "",
            motherduck_token=secret("motherduck_token"),
            staging=str(settings.staging or ""),
            publish=str(settings.publish or ""),
            publish_every=settings.publish_every,
        ),
    }
