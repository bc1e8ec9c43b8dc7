"""The account that a connection opens: its company, its user, and the limits of its plan."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.catalogue import USERS_ME_COST, USERS_ME_PATH
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.rate_limit import WINDOW_SECONDS
from pipedrive_orchestration.pipedrive.responses import BrokenBody, whole_characters
from pipedrive_orchestration.pipedrive.rights import MissingRight, missing_rights


class _User(msgspec.Struct):
    """OpenAPI v1 ``/users/me``; a company can have no domain of its own yet."""

    id: int
    name: str
    email: str
    company_id: int
    company_name: str
    company_domain: str | None = None
    is_admin: int | bool | None = None


class _Body(msgspec.Struct):
    data: _User


@dataclass(frozen=True, slots=True)
class ConnectedUser:
    """The user whom a secret belongs to; every list shows what this user may see.

    See docs/pipedrive-api.md#visibility.

    Attributes:
        company_id: the account.
        company: its name.
        user_id: the user.
        user: the user's name.
        is_admin: whether the user is an administrator, where Pipedrive tells.
        domain: the company's part of ``<domain>.pipedrive.com``, where an answer has just told it.
    """

    company_id: int
    company: str
    user_id: int
    user: str
    is_admin: bool | None
    domain: str | None = field(default=None, compare=False)

    def sees_as(self, other: ConnectedUser) -> bool:
        """Whether both see the same, as far as ids and the administrator's right tell."""
        mine, theirs = ((one.company_id, one.user_id, one.is_admin) for one in (self, other))
        return mine == theirs

    def __str__(self) -> str:
        return f"{self.user} ({'administrator' if self.is_admin else 'user'} {self.user_id})"


@dataclass(frozen=True, slots=True)
class Account:
    """An account and the limits of its plan (docs/pipedrive-api.md#rate-limits).

    Attributes:
        company: its name.
        company_id: its id.
        domain: the first part of ``<domain>.pipedrive.com``.
        user: who the secret belongs to; imports see what this user sees.
        email: the user's.
        is_admin: whether the user is an administrator, where Pipedrive tells.
        burst_limit: requests in any ``burst_seconds``, for this token or app.
        burst_seconds: the length of the burst window.
        daily_tokens: the company's budget for a day, whoever spends it.
        daily_tokens_left: what is left of it.
        missing_rights: what an installed app may not read, and what that costs.
    """

    company: str
    company_id: int
    domain: str | None
    user: str
    email: str
    is_admin: bool | None
    burst_limit: int | None
    burst_seconds: float
    daily_tokens: int | None
    daily_tokens_left: int | None
    missing_rights: tuple[MissingRight, ...] = ()


async def read_account(connection: Connection) -> Account:
    """The account of a connection; costs 2 tokens.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    async with Client(connection) as client:
        user = await _me(client)
        return Account(
            company=user.company_name,
            company_id=user.company_id,
            domain=user.company_domain,
            user=user.name,
            email=user.email,
            is_admin=_is_admin(user),
            burst_limit=client.limiter.limit,
            burst_seconds=WINDOW_SECONDS,
            daily_tokens=client.daily_token_budget,
            daily_tokens_left=client.daily_tokens_left,
            missing_rights=missing_rights(connection.scopes()),
        )


async def read_user(client: Client) -> ConnectedUser:
    """The user whom the secret of a connection belongs to; costs 2 tokens.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    user = await _me(client)
    return ConnectedUser(
        user.company_id, user.company_name, user.id, user.name, _is_admin(user), user.company_domain
    )


async def read_domain(client: Client) -> str | None:
    """The company's part of ``<domain>.pipedrive.com``, if it has one; costs 2 tokens.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    return (await _me(client)).company_domain


async def _me(client: Client) -> _User:
    return await client.get(USERS_ME_PATH, {}, cost=USERS_ME_COST, read=_user)


def _is_admin(user: _User) -> bool | None:
    return None if user.is_admin is None else bool(user.is_admin)


def _user(body: bytes) -> _User:
    try:
        return msgspec.json.decode(whole_characters(body), type=_Body).data
    except msgspec.DecodeError as error:
        raise BrokenBody(f"the body does not say whose account it is ({error})") from None
