"""OAuth: the access tokens of an installed app, refreshed when they end and kept for the next process."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec

from pipedrive_orchestration.pipedrive.errors import OAUTH_REMEDY, NotConnected
from pipedrive_orchestration.pipedrive.proxies import stand_before
from pipedrive_orchestration.pipedrive.token_store import (
    TURN_SECONDS,
    Tokens,
    TokenStore,
    TurnTimeout,
    token_store,
)
from pipedrive_orchestration.settings import Settings

_TIMEOUT = httpx.Timeout(30, connect=10)


class OAuthUnavailable(httpx.RequestError):
    """A failure to get an access token, after which another try may give one."""


class _Answer(msgspec.Struct):
    access_token: str
    api_domain: str
    refresh_token: str | None = None
    expires_in: float = 0.0
    scope: str | None = None


class _Failure(msgspec.Struct):
    error: str = "no reason given"
    message: str = ""


@dataclass(frozen=True, slots=True)
class OAuth:
    """An app that a user of the company has installed.

    Attributes:
        client_id: of the app.
        client_secret: of the app.
        refresh_token: what the installation gave; newer ones are in ``store``.
        url: base address of the server that refreshes.
        store: where the newest tokens are.
    """

    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    url: str
    store: TokenStore

    @classmethod
    def from_settings(cls, settings: Settings, state: Path) -> OAuth | None:
        """The app that the settings name; None where they say nothing of one.

        Args:
            settings: id, secret and refresh token of the app, and where they are exchanged.
            state: folder of the tokens' files, where the settings name no database for them.

        Raises:
            NotConnected: some of the variables are missing, or the address is none; names all of that.
        """
        secret, refresh = settings.oauth_client_secret, settings.oauth_refresh_token
        given = {
            "oauth_client_id": settings.oauth_client_id or "",
            "oauth_client_secret": secret.get_secret_value() if secret else "",
            "oauth_refresh_token": refresh.get_secret_value() if refresh else "",
        }
        if not any(given.values()):
            return None
        problems = [f"{Settings.variable(field)} is not set." for field, value in given.items() if not value]
        url = base_address(settings.oauth_url)
        if url is None:
            usual = Settings.model_fields["oauth_url"].default
            problems.append(f"{Settings.variable('oauth_url')} is not an address such as {usual}.")
        if url is None or problems:
            raise NotConnected(" ".join(problems), OAUTH_REMEDY)
        client_id, client_secret, refresh_token = given.values()
        grant = hashlib.sha256(" ".join((url, client_id, refresh_token)).encode()).hexdigest()[:16]
        return cls(
            client_id, client_secret, refresh_token, url, token_store(settings.oauth_database, grant, state)
        )

    def tokens(self, refused: str | None = None) -> Tokens:
        """Tokens that should be good for a request now; asks for new ones where that takes it.

        Args:
            refused: an access token that Pipedrive has not accepted.

        Raises:
            NotConnected: the server does not accept the app or its refresh token.
            OAuthUnavailable: no answer that says so, nor tokens.
            OAuthStateError: the tokens cannot be kept.
        """
        stored = self.store.read()
        if stored is not None and stored.is_good(refused):
            return stored
        try:
            with self.store.turn() as turn:
                stored = turn.read()
                if stored is not None and stored.is_good(refused):
                    return stored
                tokens = self._refreshed(stored.refresh_token if stored else self.refresh_token)
                turn.write(tokens)
        except TurnTimeout:
            raise OAuthUnavailable(f"another process has been refreshing for {TURN_SECONDS:.0f} s") from None
        return tokens

    def scopes(self) -> frozenset[str] | None:
        """The scopes of the app as its newest tokens tell, without asking; None where they do not.

        Raises:
            OAuthStateError: the tokens cannot be read.
        """
        stored = self.store.read()
        told = (stored.scope if stored else "").replace(",", " ").split()
        return frozenset(told) or None

    def _refreshed(self, refresh_token: str) -> Tokens:
        # Without the slash at the end: that form redirects, and the body is lost
        # (docs/pipedrive-api.md#authentication).
        address = f"{self.url}/oauth/token"
        asked_at = time.time()
        try:
            answer = httpx.post(
                address,
                data={"grant_type": "refresh_token", "refresh_token": refresh_token},
                auth=(self.client_id, self.client_secret),
                headers={"accept": "application/json", "user-agent": "pipedrive-orchestration"},
                timeout=_TIMEOUT,
                follow_redirects=False,
                trust_env=stand_before(address),
            )
        except httpx.RequestError as error:
            raise OAuthUnavailable(f"POST {address}: {type(error).__name__} {error}".strip()) from None
        if answer.status_code != httpx.codes.OK:
            raise self._refusal(address, answer, refresh_token)
        try:
            given = msgspec.json.decode(answer.content, type=_Answer)
        except msgspec.DecodeError:
            raise OAuthUnavailable(f"POST {address} answered without tokens") from None
        domain = base_address(given.api_domain)
        if domain is None:
            raise OAuthUnavailable(f"POST {address} answered an api_domain that is not an address")
        return Tokens(
            given.access_token,
            given.refresh_token or refresh_token,
            domain,
            asked_at + given.expires_in,
            given.scope or "",
        )

    def _refusal(self, address: str, answer: httpx.Response, refresh_token: str) -> Exception:
        status = answer.status_code
        if status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return OAuthUnavailable(f"POST {address} answered {status}")
        failure = _failure_of(answer.content)
        reason = f"{failure.error} {failure.message}".lower()
        said = (failure.message or failure.error).replace(refresh_token, "***").rstrip(".")
        if "client" in reason and "refresh" not in reason:
            refused = (
                f"Pipedrive does not accept the OAuth app ({status}: {said}). Check "
                "PIPEDRIVE_OAUTH_CLIENT_ID and PIPEDRIVE_OAUTH_CLIENT_SECRET."
            )
        elif status == httpx.codes.BAD_REQUEST:
            refused = (
                f"Pipedrive does not accept the OAuth refresh token ({status}: {said}). It was revoked, the "
                "app was uninstalled, or it was not used for 60 days."
            )
        else:
            refused = f"PIPEDRIVE_OAUTH_URL is wrong: {address} answered {status}."
        return NotConnected(refused, OAUTH_REMEDY)


def _failure_of(body: bytes) -> _Failure:
    try:
        return msgspec.json.decode(body, type=_Failure)
    except msgspec.DecodeError:
        return _Failure("the answer is not JSON")


def base_address(written: str) -> str | None:
    """The address without what the versions of the API add to it; None where it is no address of a server.

    Args:
        written: such as ``https://acme.pipedrive.com`` or ``https://acme.pipedrive.com/api/v2/``.
    """
    address = written.strip().rstrip("/").removesuffix("/api/v2").removesuffix("/v1").removesuffix("/api")
    if not address.startswith(("https://", "http://")):
        return None
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        return None
    wrong_port = url.port is not None and not 0 < url.port < 2**16
    if not url.host or wrong_port or url.userinfo or url.query or url.fragment:
        return None
    return address
