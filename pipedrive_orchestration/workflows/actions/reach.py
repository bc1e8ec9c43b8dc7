"""What of this machine the actions of workflows may use: secrets by their prefix, private hosts by name."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Self

from pipedrive_orchestration.settings import SECRET_PREFIX, Settings
from pipedrive_orchestration.workflows.actions.errors import ActionError
from pipedrive_orchestration.workflows.actions.pipedrive import RecordWriter


@dataclass(frozen=True, slots=True)
class Reach:
    """The secrets and the private hosts that actions may use.

    Attributes:
        secrets: values by the names of their variables, all of which begin with `SECRET_PREFIX`.
        private_hosts: hosts as they stand in addresses, to which actions may post although they are this
            machine or in a private network.
        write: writes rows to the account; None where nothing does.
    """

    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    private_hosts: frozenset[str] = frozenset()
    write: RecordWriter | None = None

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Self:
        """What the variables of a process allow.

        Raises:
            SettingsError: variables that cannot be used.
        """
        secrets = {name: value for name, value in variables.items() if name.startswith(SECRET_PREFIX)}
        return cls(secrets, frozenset(Settings.from_variables(variables).private_hosts or ()))

    def address_of(self, host: str, port: int) -> str:
        """The IP address to connect to for a host.

        Whoever connects has to take this one, since a second look-up may answer something else.

        Raises:
            ActionError: nothing is known of the host, or it is this machine or in a private network and not
                allowed by name.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            raise ActionError(f"no address is known of {host}.") from None
        addresses = [str(each[4][0]) for each in found]
        if host.lower() not in self.private_hosts and not all(map(_is_public, addresses)):
            raise ActionError(
                f"{host} is this machine or in a private network, to which nothing is sent unless "
                f"{Settings.variable('private_hosts')} names it."
            )
        return addresses[0]


def _is_public(address: str) -> bool:
    ip = ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None) or ip
    return mapped.is_global and not mapped.is_multicast
