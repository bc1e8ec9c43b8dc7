"""What the API works on, and within which bounds."""

from __future__ import annotations

from dataclasses import dataclass

from pipedrive_orchestration.api.keys import ApiKeys
from pipedrive_orchestration.services.deployment import Deployment
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.warehouse import Warehouse

REQUESTS_PER_MINUTE = 200
MAX_BODY_BYTES = 1_000_000

PATIENCE_SECONDS = 10.0
"""How long a caller is kept waiting for the database; imports wait longer."""


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """The surroundings of one API.

    Attributes:
        deployment: the project folder and Dagster.
        warehouse: the database that is read.
        settings: name the account.
        keys: who may call; None lets everybody on this machine do everything, for demonstrations.
        requests_per_minute: how many requests a key, or an address without one, may send.
        max_body_bytes: how large the body of a request may be.
        patience: seconds after which a call that needs the database is answered without it.
    """

    deployment: Deployment
    warehouse: Warehouse
    settings: Settings
    keys: ApiKeys | None
    requests_per_minute: int = REQUESTS_PER_MINUTE
    max_body_bytes: int = MAX_BODY_BYTES
    patience: float = PATIENCE_SECONDS
