"""Addresses of servers, as the environment or Pipedrive itself writes them."""

from __future__ import annotations

import httpx


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
