"""The account as imports have last met it: its domain, and what is left of the day's tokens.

Everything here runs inside the transaction of the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb

from pipedrive_orchestration.warehouse.schema import has_ledger, prepare


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """The facts that answers of Pipedrive have told.

    Attributes:
        domain: the first part of ``<domain>.pipedrive.com``; None where no answer told.
        daily_tokens: the company's budget for a day, whoever spends it.
        daily_tokens_left: what was left of it.
        seen_at: when, by our clock.
    """

    domain: str | None
    daily_tokens: int | None
    daily_tokens_left: int | None
    seen_at: datetime


def known_account(connection: duckdb.DuckDBPyConnection) -> KnownAccount | None:
    """What is known of the account; None before an import has told."""
    if not has_ledger(connection):
        return None
    row = connection.execute(
        "SELECT domain, daily_tokens, daily_tokens_left, seen_at FROM import_ledger.account"
    ).fetchone()
    return KnownAccount(*row) if row else None


def record_account(connection: duckdb.DuckDBPyConnection, account: KnownAccount) -> None:
    """Remember what an import was told; a domain that no answer of its own told stays."""
    prepare(connection)
    before = known_account(connection)
    domain = account.domain or (before.domain if before else None)
    connection.execute("DELETE FROM import_ledger.account")
    connection.execute(
        "INSERT INTO import_ledger.account VALUES (?, ?, ?, ?)",
        [domain, account.daily_tokens, account.daily_tokens_left, account.seen_at],
    )
