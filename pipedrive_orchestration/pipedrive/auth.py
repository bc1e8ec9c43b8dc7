"""The connection to an account: its address, and the secret that opens it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field

import httpx

from pipedrive_orchestration.pipedrive.errors import OAUTH_REMEDY, NotConnected
from pipedrive_orchestration.pipedrive.oauth import OAuth, base_address
from pipedrive_orchestration.pipedrive.token_store import Tokens
from pipedrive_orchestration.settings import Settings

DEFAULT_URL: str = Settings.model_fields["api_url"].default


@dataclass(frozen=True, slots=True)
class Connection:
    """The address of an account and the secret that opens it.

    Attributes:
        url: base without ``/api/v2``, such as ``https://acme.pipedrive.com``; as an installed app, what
            Pipedrive names as ``api_domain`` counts instead.
        token: sent as ``x-api-token``; never part of a URL, a log line or this object's ``repr``.
        oauth: the installed app to sign in as, where there is no API token.
    """

    url: str
    token: str = field(repr=False)
    oauth: OAuth | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Connection:
        """The account that an API token opens, or an installed app where there is no token.

        OAuth tokens are kept in ``oauth/`` of the state folder, or in the database that the settings name.

        Raises:
            NotConnected: there is neither, or what there is cannot be used.
        """
        if settings.api_token is not None:
            return cls.of(settings.api_url, settings.api_token.get_secret_value())
        oauth = OAuth.from_settings(settings, settings.state / "oauth")
        return cls(url=DEFAULT_URL, token="", oauth=oauth) if oauth else cls.of(settings.api_url, "")

    @classmethod
    def of(cls, url: str, token: str) -> Connection:
        """Check and normalise; an empty ``url`` means Pipedrive's own host.

        Raises:
            NotConnected: there is no token, it cannot be sent in a header, or the address is none.
        """
        token = token.strip()
        if not token:
            raise NotConnected("There is no API token.")
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise NotConnected("PIPEDRIVE_API_TOKEN holds characters that no token has.")
        address = base_address(url.strip() or DEFAULT_URL)
        if address is None:
            raise NotConnected(f"PIPEDRIVE_API_URL is not an address such as {DEFAULT_URL}.")
        return cls(url=address, token=token)

    @property
    def signature(self) -> str:
        """Tells whether it is still the same secret, and nothing else of it."""
        secret = self.token if self.oauth is None else f"{self.oauth.client_id} {self.oauth.refresh_token}"
        return hashlib.sha256(f"pipedrive_orchestration {secret}".encode()).hexdigest()[:16]

    def scopes(self) -> frozenset[str] | None:
        """The scopes of an installed app, once it has asked for something.

        None for an API token, which has none, and where they are not known.

        Raises:
            OAuthStateError: the app's tokens cannot be read.
        """
        return None if self.oauth is None else self.oauth.scopes()

    def auth(self) -> httpx.Auth:
        """The signature of one client's requests."""
        return ApiToken(self.token) if self.oauth is None else Bearer(self.oauth)

    def refusal(self) -> NotConnected:
        """The error for an answer that does not accept the secret."""
        if self.oauth is None:
            return NotConnected("Pipedrive does not accept the API token (401).")
        return NotConnected("Pipedrive does not accept the OAuth access token (401).", OAUTH_REMEDY)


class ApiToken(httpx.Auth):
    """Sends an API token in its header (docs/pipedrive-api.md#authentication)."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign the request."""
        request.headers["x-api-token"] = self._token
        yield request


class Bearer(httpx.Auth):
    """Sends the access token of an installed app, to the host that Pipedrive named for its company.

    A request that is refused with 401 is sent once more with a new access token: one can end before its
    time. Requests that meet its end together refresh it once.
    """

    def __init__(self, oauth: OAuth) -> None:
        self._oauth = oauth
        self._tokens: Tokens | None = None
        self._turn = asyncio.Lock()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Sign the request, twice if it is refused.

        Raises:
            NotConnected: the app is not accepted any more.
            OAuthUnavailable: no tokens now; another try may give some.
            OAuthStateError: tokens cannot be kept.
        """
        tokens = await self._current(refused=None)
        response = yield _signed(request, tokens)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            yield _signed(request, await self._current(refused=tokens.access_token))

    async def _current(self, refused: str | None) -> Tokens:
        async with self._turn:
            if self._tokens is None or not self._tokens.is_good(refused):
                self._tokens = await asyncio.to_thread(self._oauth.tokens, refused)
            return self._tokens


def _signed(request: httpx.Request, tokens: Tokens) -> httpx.Request:
    request.url = httpx.URL(tokens.api_domain + request.url.raw_path.decode("ascii"))
    request.headers["host"] = request.url.netloc.decode("ascii")
    request.headers["authorization"] = f"Bearer {tokens.access_token}"
    return request
