"""Which account to talk to, and as whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from pipedrive_orchestration.pipedrive.errors import NotConnected

DEFAULT_URL = "https://api.pipedrive.com"


@dataclass(frozen=True, slots=True)
class Connection:
    """The address of an account and the secret that opens it.

    Attributes:
        url: base without ``/api/v2``, such as ``https://acme.pipedrive.com``.
        token: sent as ``x-api-token``; never part of a URL, a log line or this object's ``repr``.
    """

    url: str
    token: str = field(repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Connection:
        """Read ``PIPEDRIVE_API_URL`` and ``PIPEDRIVE_API_TOKEN``.

        Raises:
            NotConnected: there is no token, or it cannot be sent in a header.
        """
        return cls.of(environment.get("PIPEDRIVE_API_URL", ""), environment.get("PIPEDRIVE_API_TOKEN", ""))

    @classmethod
    def of(cls, url: str, token: str) -> Connection:
        """Check and normalise; an empty ``url`` means Pipedrive's own host.

        Raises:
            NotConnected: as above.
        """
        token = token.strip()
        if not token:
            raise NotConnected("There is no API token.")
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise NotConnected("PIPEDRIVE_API_TOKEN holds characters that no token has.")
        address = (url.strip() or DEFAULT_URL).rstrip("/").removesuffix("/api/v2").removesuffix("/v1")
        if not address.startswith(("https://", "http://")):
            raise NotConnected("PIPEDRIVE_API_URL must begin with https://.")
        if _malformed(address):
            raise NotConnected("PIPEDRIVE_API_URL is not an address such as https://acme.pipedrive.com.")
        return cls(url=address.removesuffix("/api"), token=token)


def _malformed(address: str) -> bool:
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        return True
    wrong_port = url.port is not None and not 0 < url.port < 2**16
    return not url.host or wrong_port or bool(url.userinfo or url.query or url.fragment)
