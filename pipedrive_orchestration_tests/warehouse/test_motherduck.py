"""MotherDuck as the warehouse, as far as that can be tried without an account."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pytest

from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.warehouse import Warehouse, WarehouseError
from pipedrive_orchestration.warehouse import motherduck as motherduck_module

TOKEN = "eyJ-token-of-somebody"


@pytest.mark.parametrize(
    ("database", "remedy"),
    [(f"md:crm?motherduck_token={TOKEN}", "PIPEDRIVE_MOTHERDUCK_TOKEN"), ("md:", "write it as md:crm")],
)
def test_a_name_that_cannot_be_used_is_refused(database: str, remedy: str) -> None:
    with pytest.raises(WarehouseError, match=remedy) as refused:
        Warehouse.from_settings(Settings(warehouse=database))
    assert TOKEN not in str(refused.value)


def test_without_a_token_no_browser_is_opened() -> None:
    warehouse = Warehouse.from_settings(Settings(warehouse="md:crm"))
    with pytest.raises(WarehouseError, match="PIPEDRIVE_MOTHERDUCK_TOKEN is not set"), warehouse.reading():
        "Not reached."


def test_its_extension_is_not_fetched_by_itself() -> None:
    settings = Settings.from_variables({"PIPEDRIVE_WAREHOUSE": "md:crm", "PIPEDRIVE_MOTHERDUCK_TOKEN": TOKEN})
    with (
        pytest.raises(WarehouseError, match=r"no extension motherduck .*INSTALL motherduck") as missing,
        Warehouse.from_settings(settings).writing(),
    ):
        "Not reached."
    assert TOKEN not in str(missing.value)


def test_what_motherduck_answers_is_told_without_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB itself refuses a token that it knows no setting for, as MotherDuck would one that has ended."""
    monkeypatch.setattr(motherduck_module, "load_extension", lambda *_: None)
    monkeypatch.setattr(
        duckdb,
        "connect",
        _refusing(duckdb.connect, f"Invalid token: {TOKEN}"),
    )
    warehouse = Warehouse("md:crm", motherduck_token=TOKEN)
    with (
        pytest.raises(WarehouseError, match=r"md:crm cannot be opened .*can be reached") as refused,
        warehouse.reading(),
    ):
        "Not reached."
    assert TOKEN not in str(refused.value)


def _refusing(
    connect: Callable[..., duckdb.DuckDBPyConnection], answer: str
) -> Callable[..., duckdb.DuckDBPyConnection]:
    def refuse(database: str = ":memory:", **how: object) -> duckdb.DuckDBPyConnection:
        if database == ":memory:":
            return connect(database, **how)
        raise duckdb.InvalidInputException(answer)

    return refuse
