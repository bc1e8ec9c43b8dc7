"""An app that is installed in the account: its refresh token and the access tokens that come of it.

Stricter than Pipedrive documents (docs/pipedrive-api.md#authentication): each refresh gives another refresh
token, and the one before is worth nothing from then on.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import orjson

from pipedrive_orchestration.demo.call import Answer
from pipedrive_orchestration.demo.operations import SCOPES

FORM = "application/x-www-form-urlencoded"


class _Refused(Exception):
    """A request for tokens that is answered with an error, its code and its sentence."""


@dataclass(slots=True)
class InstalledApp:
    """An app that one user of the account has installed.

    Attributes:
        client_id: of the app.
        client_secret: of the app.
        refresh_token: the one that counts now.
        seconds: how long an access token is good for.
        refreshes: how often tokens were given.
        scopes: what it may do, as its tokens say.
        api_domain: what answers name as the company's address; the server's own if None.
    """

    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    seconds: int = 3599
    refreshes: int = 0
    scopes: frozenset[str] = SCOPES
    api_domain: str | None = None
    _ends: dict[str, datetime] = field(default_factory=dict, repr=False)
    _numbers: itertools.count[int] = field(default_factory=itertools.count, repr=False)
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def of(cls, seed: int, seconds: int) -> InstalledApp:
        """The app of a demo account: the same for the same seed."""
        return cls(f"demo-app-{seed}", _secret(seed, "client"), f"1:1:{_secret(seed, 'refresh')}", seconds)

    def accepts(self, access_token: str, now: datetime) -> bool:
        """Whether the access token is one of the app's and has not ended."""
        end = self._ends.get(access_token)
        return end is not None and now < end

    def revoke_access(self) -> None:
        """End all access tokens before their time."""
        self._ends.clear()

    def uninstall(self) -> None:
        """What the user does in Pipedrive's settings: neither token counts any more."""
        self.refresh_token = ""
        self.revoke_access()

    def token(self, headers: Mapping[str, str], content: bytes, now: datetime, address: str) -> Answer:
        """``POST /oauth/token`` of the host of OAuth.

        Args:
            headers: the request's.
            content: its form.
            now: the account's time.
            address: the server's own.
        """
        try:
            form = self._form_of_app(headers, content)
            with self._turn:
                return Answer(orjson.dumps(self._refreshed(form, now, address)))
        except _Refused as refusal:
            error, message = refusal.args
            return Answer(orjson.dumps({"success": False, "error": error, "message": message}), 400)

    def _form_of_app(self, headers: Mapping[str, str], content: bytes) -> dict[str, str]:
        if headers.get("content-type", "").partition(";")[0] != FORM:
            raise _Refused("invalid_request", f"Content-Type must be {FORM}")
        credentials = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        if headers.get("authorization") != f"Basic {credentials}":
            raise _Refused("invalid_client", "Client credentials are missing or invalid")
        return dict(parse_qsl(content.decode("ascii", errors="replace")))

    def _refreshed(self, form: Mapping[str, str], now: datetime, address: str) -> dict[str, Any]:
        if form.get("grant_type") != "refresh_token":
            raise _Refused("unsupported_grant_type", "Only refresh_token is granted here")
        if not self.refresh_token or form.get("refresh_token") != self.refresh_token:
            raise _Refused("invalid_grant", "Refresh token is invalid or already exchanged")
        number = next(self._numbers)
        access_token = f"v1u:{_secret(number, self.refresh_token)}"
        self._ends[access_token] = now + timedelta(seconds=self.seconds)
        self.refresh_token = f"1:1:{_secret(number, access_token)}"
        self.refreshes += 1
        return {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": self.seconds,
            "refresh_token": self.refresh_token,
            "scope": ",".join(sorted(self.scopes)),
            "api_domain": self.api_domain or address,
        }


def _secret(number: int, purpose: str) -> str:
    return hashlib.sha256(f"{purpose} {number}".encode()).hexdigest()[:40]
