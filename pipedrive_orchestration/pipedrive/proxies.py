"""The proxies that the environment names (``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY``)."""

from __future__ import annotations

from ipaddress import ip_address

import httpx


def stand_before(address: str) -> bool:
    """Whether those proxies are to be asked for an address: for any but one of this machine.

    A proxy elsewhere would look for it on its own machine.
    """
    host = httpx.URL(address).host
    if host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return True
