"""MotherDuck as the warehouse: a DuckDB database of its cloud, named ``md:`` and its name there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from pipedrive_orchestration.warehouse.errors import WarehouseError
from pipedrive_orchestration.warehouse.extensions import load_extension
from pipedrive_orchestration.warehouse.instances import CONFIG

SCHEME = "md:"

_EXTENSION = "motherduck"


def is_motherduck(database: str) -> bool:
    """Whether a database is one of MotherDuck's."""
    return database.startswith(SCHEME)


def refuse_token(database: str) -> None:
    """Check that a name holds no token.

    Raises:
        WarehouseError: it does, or it names no database.
    """
    if not is_motherduck(database):
        return
    if "token" in database.lower():
        raise WarehouseError(
            "PIPEDRIVE_WAREHOUSE holds a token, and would be shown with it. Leave it out, and set "
            "PIPEDRIVE_MOTHERDUCK_TOKEN."
        )
    if database == SCHEME:
        raise WarehouseError("PIPEDRIVE_WAREHOUSE names no database of MotherDuck: write it as md:crm.")


@contextmanager
def connected_to_motherduck(database: str, token: str | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a database of MotherDuck for as long as the block lasts.

    Args:
        database: such as ``md:crm``; it is there already.
        token: of an account of MotherDuck. Without one its extension would open a browser and wait.

    Raises:
        WarehouseError: there is no token, or no extension of MotherDuck on this machine.
        duckdb.Error: MotherDuck does not answer, or refuses; the token is not in it.
    """
    if token is None:
        raise WarehouseError(
            f"{database} is a database of MotherDuck, and PIPEDRIVE_MOTHERDUCK_TOKEN is not set: make an "
            "access token in its settings."
        )
    with duckdb.connect(config=CONFIG) as probe:
        load_extension(probe, _EXTENSION)
    try:
        connection = duckdb.connect(database, config={**CONFIG, "motherduck_token": token})
    except duckdb.Error as error:
        raise type(error)(str(error).replace(token, "***")) from None
    try:
        yield connection
    finally:
        connection.close()
