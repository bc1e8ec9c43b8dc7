"""Whose account a connection opens, and how much it may ask for."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from pipedrive_orchestration.pipedrive.catalogue import USERS_ME_COST, USERS_ME_PATH
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.connection import Connection
from pipedrive_orchestration.pipedrive.envelope import BrokenBody, whole_characters
from pipedrive_orchestration.pipedrive.limits import WINDOW_SECONDS


class _User(msgspec.Struct):
    """OpenAPI v1 ``/users/me``; a company can have no domain of its own yet."""

    name: str
    email: str
    company_id: int
    company_name: str
    company_domain: str | None = None
    is_admin: int | bool | None = None


class _Body(msgspec.Struct):
    data: _User


@dataclass(frozen=True, slots=True)
class Account:
    """An account and the limits of its plan (API facts 5).

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


async def read_account(connection: Connection) -> Account:
    """Ask whose account it is; costs 2 tokens.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    async with Client(connection) as client:
        user = await client.get(USERS_ME_PATH, {}, cost=USERS_ME_COST, read=_user)
        return Account(
            company=user.company_name,
            company_id=user.company_id,
            domain=user.company_domain,
            user=user.name,
            email=user.email,
            is_admin=None if user.is_admin is None else bool(user.is_admin),
            burst_limit=client.limiter.limit,
            burst_seconds=WINDOW_SECONDS,
            daily_tokens=client.daily_token_budget,
            daily_tokens_left=client.daily_tokens_left,
        )


def _user(body: bytes) -> _User:
    try:
        return msgspec.json.decode(whole_characters(body), type=_Body).data
    except msgspec.DecodeError as error:
        raise BrokenBody(f"the body does not say whose account it is ({error})") from None
