"""The tokens of an installed app between two refreshes, in a file that only its owner may read."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from pipedrive_orchestration.pipedrive.errors import OAuthStateError
from pipedrive_orchestration.replacing import replace_content

EARLY_SECONDS = 60.0
"""How long before its end an access token is refreshed, so that it does not end under way."""


class Tokens(msgspec.Struct, frozen=True):
    """What a refresh gave (API facts 1.3).

    Attributes:
        access_token: goes with requests, for about an hour.
        refresh_token: pays for the next refresh; it may be another one after each.
        api_domain: where the company's API answers.
        expires_at: when the access token ends, in seconds of Unix time.
    """

    access_token: str
    refresh_token: str
    api_domain: str
    expires_at: float

    def is_good(self, refused: str | None = None) -> bool:
        """Whether the access token should be accepted now.

        Args:
            refused: an access token that was not.
        """
        return self.access_token != refused and self.expires_at - EARLY_SECONDS > time.time()

    def __repr__(self) -> str:
        return f"Tokens(api_domain={self.api_domain!r}, expires_at={self.expires_at!r})"


def stored_tokens(file: Path) -> Tokens | None:
    """What the file holds; None where it is missing or damaged, as the configured token is there still.

    Raises:
        OAuthStateError: the file cannot be read.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=Tokens)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    except OSError as error:
        raise OAuthStateError(file, error) from None


def store_tokens(file: Path, tokens: Tokens) -> None:
    """Replace what the file holds; a crash leaves the old content or the new.

    Raises:
        OAuthStateError: the folder cannot be written; the file is as it was.
    """
    try:
        replace_content(file, msgspec.json.encode(tokens), mode=0o600)
    except OSError as error:
        raise OAuthStateError(file, error) from None
