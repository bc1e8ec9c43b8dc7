"""The place of an app's newest OAuth tokens: a file of this machine, or a PostgreSQL database for several."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
from filelock import FileLock, Timeout
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from pipedrive_orchestration.files import make_private_folder, replace_content
from pipedrive_orchestration.pipedrive.errors import NotConnected, OAuthStateError

TURN_SECONDS = 60.0
"""Seconds that one process waits for another that is refreshing."""

EARLY_SECONDS = 60.0
"""Seconds before its end at which an access token is refreshed, so that it does not end under way."""

_PASSWORD = re.compile(r"//[^/@\s]*:[^/@\s]*@|(?i:\bpassword=)")


class TurnTimeout(Exception):
    """Somebody else has been refreshing the tokens for too long."""


class Tokens(msgspec.Struct, frozen=True):
    """The tokens that a refresh gave (docs/pipedrive-api.md#authentication).

    Attributes:
        access_token: goes with requests, for about an hour.
        refresh_token: pays for the next refresh; it may be another one after each.
        api_domain: where the company's API answers.
        expires_at: when the access token ends, in seconds of Unix time.
        scope: the app's scopes with commas between them; empty where that is not known.
    """

    access_token: str
    refresh_token: str
    api_domain: str
    expires_at: float
    scope: str = ""

    def is_good(self, refused: str | None = None) -> bool:
        """Whether the access token should be accepted now.

        Args:
            refused: an access token that was not.
        """
        return self.access_token != refused and self.expires_at - EARLY_SECONDS > time.time()

    def __repr__(self) -> str:
        return f"Tokens(api_domain={self.api_domain!r}, expires_at={self.expires_at!r})"


class Turn(Protocol):
    """The right to refresh, which one process has at a time."""

    def read(self) -> Tokens | None:
        """The newest tokens; None where there are none yet, as the configured token is there still."""

    def write(self, tokens: Tokens) -> None:
        """Put newer ones in their place; a crash leaves the old ones or the new."""


class TokenStore(Protocol):
    """Where the tokens of one installation are."""

    def read(self) -> Tokens | None:
        """The newest tokens; None where there are none yet, as the configured token is there still.

        Raises:
            OAuthStateError: they cannot be read.
        """

    def turn(self) -> AbstractContextManager[Turn]:
        """A block in which this process alone may refresh.

        Raises:
            TurnTimeout: another process has been at it for `TURN_SECONDS`.
            OAuthStateError: the place cannot be used.
        """


@dataclass(frozen=True, slots=True)
class TokenFile:
    """A file of this machine."""

    path: Path

    def read(self) -> Tokens | None:
        """The tokens in the file; None where it is missing or damaged."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Tokens)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        except OSError as error:
            raise _unusable_file(self.path, error) from None

    def write(self, tokens: Tokens) -> None:
        """Replace them."""
        try:
            replace_content(self.path, msgspec.json.encode(tokens), mode=0o600)
        except OSError as error:
            raise _unusable_file(self.path, error) from None

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """The file's lock, as long as the block lasts."""
        try:
            make_private_folder(self.path.parent)
            lock = FileLock(f"{self.path}.lock", thread_local=False)
            lock.acquire(timeout=TURN_SECONDS)
        except Timeout:
            raise TurnTimeout from None
        except OSError as error:
            raise _unusable_file(self.path, error) from None
        try:
            yield self
        finally:
            lock.release()


def _unusable_file(path: Path, error: OSError) -> OAuthStateError:
    return OAuthStateError(
        str(path),
        str(error.strerror or error),
        "Make the folder writable, and only by this user; it lies in .state/ of the working folder, or of "
        "DAGSTER_HOME.",
    )


_TABLE = """
CREATE TABLE IF NOT EXISTS pipedrive_oauth_tokens (installation TEXT PRIMARY KEY, tokens TEXT NOT NULL)
"""


@dataclass(frozen=True, slots=True)
class TokenDatabase:
    """A table of a PostgreSQL database, which every machine of a deployment reaches.

    Attributes:
        address: such as ``postgresql://crm@db.internal/crm``, without a password.
        installation: tells several apps apart.
    """

    address: str
    installation: str

    def read(self) -> Tokens | None:
        """The tokens in the table; None where there are none."""
        with self._connected() as connection:
            return _Row(connection, self.installation).read()

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """A lock of the database, which ends with its holder; what is written is committed with the block."""
        with self._connected() as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{TURN_SECONDS:.0f}s'"))
            key = text("SELECT pg_advisory_xact_lock(hashtextextended(:installation, 7))")
            try:
                connection.execute(key, {"installation": self.installation})
            except SQLAlchemyError as error:
                if "lock timeout" in str(error):
                    raise TurnTimeout from None
                raise
            yield _Row(connection, self.installation)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        address = re.sub(r"^postgres(ql)?://", "postgresql+psycopg2://", self.address)
        try:
            engine = create_engine(address, poolclass=NullPool, connect_args={"connect_timeout": 10})
            with engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, ImportError) as error:
            # What SQLAlchemy adds to an error are the values of its statement.
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            remedy = "See whether PIPEDRIVE_OAUTH_DATABASE can be reached, and PGPASSWORD opens it."
            raise OAuthStateError(self.address, reason, remedy) from None


@dataclass(frozen=True, slots=True)
class _Row:
    connection: Connection
    installation: str

    def read(self) -> Tokens | None:
        if self.connection.execute(text("SELECT to_regclass('pipedrive_oauth_tokens')")).scalar() is None:
            return None
        found = self.connection.execute(
            text("SELECT tokens FROM pipedrive_oauth_tokens WHERE installation = :installation"),
            {"installation": self.installation},
        ).scalar()
        return msgspec.json.decode(found, type=Tokens) if found else None

    def write(self, tokens: Tokens) -> None:
        # In somebody's turn: two that make a table at once are in each other's way.
        self.connection.execute(text(_TABLE))
        self.connection.execute(
            text(
                "INSERT INTO pipedrive_oauth_tokens VALUES (:installation, :tokens) "
                "ON CONFLICT (installation) DO UPDATE SET tokens = excluded.tokens"
            ),
            {"installation": self.installation, "tokens": msgspec.json.encode(tokens).decode()},
        )


def token_store(place: str | None, installation: str, folder: Path) -> TokenStore:
    """Where the tokens of an installation are.

    Args:
        place: what ``PIPEDRIVE_OAUTH_DATABASE`` says; None for a file.
        installation: tells several apps apart.
        folder: of the files.

    Raises:
        NotConnected: the place holds a password, which would be shown with it.
    """
    if place is None:
        return TokenFile(folder / f"{installation}.json")
    if _PASSWORD.search(place):
        raise NotConnected(
            "PIPEDRIVE_OAUTH_DATABASE holds a password, and would be shown with it.",
            "Leave it out, and set PGPASSWORD or write it to ~/.pgpass.",
        )
    return TokenDatabase(place, installation)
