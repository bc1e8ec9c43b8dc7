"""Object storage: how DuckDB signs in to S3, and to what speaks its language."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import duckdb

from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.warehouse.sql import literal

_HOST = re.compile(r"^(?P<scheme>https?)://(?P<host>[^/]+)/?$")


def is_address(place: str | None) -> bool:
    """Whether files lie at an address such as ``s3://bucket/crm``, and not in a folder."""
    return place is not None and "://" in place


@dataclass(frozen=True, slots=True)
class ObjectStorage:
    """The keys of S3, which nothing shows.

    Attributes:
        key_id: the name of the key.
        secret: the key.
        endpoint: the address of a server other than Amazon's, such as ``https://s3.internal:9000``.
        region: where the bucket is; Amazon asks for it.
    """

    key_id: str
    secret: str = field(repr=False)
    endpoint: str | None = None
    region: str | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> ObjectStorage | None:
        """The keys that the settings give; None where there are none."""
        if settings.s3_key_id is None or settings.s3_secret is None:
            return None
        secret = settings.s3_secret.get_secret_value()
        return cls(settings.s3_key_id, secret, settings.s3_endpoint, settings.s3_region)

    def sign_in(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let an instance read and write with these keys, for as long as it lives."""
        options = {"KEY_ID": self.key_id, "SECRET": self.secret}
        if self.region:
            options["REGION"] = self.region
        if self.endpoint and (found := _HOST.match(self.endpoint)):
            options |= {"ENDPOINT": found["host"], "URL_STYLE": "path"}
            options["USE_SSL"] = str(found["scheme"] == "https").lower()
        listed = ", ".join(f"{name} {literal(value)}" for name, value in options.items())
        # An error would show the statement, and the key with it.
        try:
            connection.execute(f"CREATE OR REPLACE SECRET pipedrive_s3 (TYPE s3, {listed})")
        except duckdb.Error as error:
            raise type(error)(str(error).splitlines()[0].replace(self.secret, "***")) from None
