"""Signing requests with the secret that opens the account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator

import httpx

from pipedrive_orchestration.pipedrive.oauth import OAuth
from pipedrive_orchestration.pipedrive.oauth_tokens import Tokens


class ApiToken(httpx.Auth):
    """Sends an API token in its header (API facts 1.2)."""

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
