"""The permission to change an account: said by the settings, and for the company of the database alone."""

from __future__ import annotations

from pipedrive_orchestration.pipedrive.account import ConnectedUser, read_user
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.errors import PipedriveError
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.warehouse.users import last_reader


class WritesNotAllowedError(Exception):
    """The settings do not say that the account may be changed."""

    def __init__(self) -> None:
        super().__init__(
            f"Nothing may change the account: set {Settings.variable('allow_writes')}=true where that is "
            "wanted. A dry run shows what would be done, and needs no permission."
        )


class WrongCompanyError(PipedriveError):
    """The connection opens another account than the one that the database's rows come from."""

    def __init__(self, before: ConnectedUser, now: ConnectedUser) -> None:
        super().__init__(
            f"The rows of the database come from {before.company} (company {before.company_id}), and the "
            f"connection opens {now.company} (company {now.company_id}). Nothing was changed. Connect to "
            f"{before.company} again, or set PIPEDRIVE_WAREHOUSE to the database of {now.company}."
        )


class WrongPlanCompanyError(PipedriveError):
    """The connection opens another account than the one that a plan was made for."""

    def __init__(self, company_id: int, now: ConnectedUser) -> None:
        super().__init__(
            f"The plan was made for company {company_id}, and the connection opens {now.company} (company "
            f"{now.company_id}). Nothing was changed."
        )


def require_permission(*, allowed: bool) -> None:
    """Refuse to go on where nothing may be changed.

    Raises:
        WritesNotAllowedError: the settings do not allow it.
    """
    if not allowed:
        raise WritesNotAllowedError


async def connected_writer(client: Client, warehouse: Warehouse) -> ConnectedUser:
    """The user as whom the account is changed; costs 2 tokens.

    Raises:
        WrongCompanyError: the database belongs to another company.
        PipedriveError: the account cannot be read.
        WarehouseError: the database is there and cannot be opened.
    """
    user = await read_user(client)
    if not warehouse.exists:
        return user
    with warehouse.reading() as connection:
        reader = last_reader(connection)
    if reader is not None and reader.company_id != user.company_id:
        raise WrongCompanyError(reader, user)
    return user
