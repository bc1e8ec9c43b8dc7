"""With whose eyes an account is read, and whether they see what a source's rows were read with.

Pipedrive shows every user what that user may see. Rows that somebody else saw are not removed because this
user does not see them, and rows of one company are never mixed with those of another.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pipedrive_orchestration.importing.prior_state import Memory
from pipedrive_orchestration.pipedrive.account import ConnectedUser, read_user
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.errors import PipedriveError

FEW_ROWS = 10
"""So many rows may go without a trace with a change of the user, whatever their share is."""

SMALL_SHARE = 0.1
"""The same as a share of the source's rows."""


class OtherCompanyError(PipedriveError):
    """The connection opens another account than the one that the source's rows come from."""

    def __init__(self, source: str, before: ConnectedUser, now: ConnectedUser) -> None:
        super().__init__(
            f"The rows of {source} come from {before.company} (company {before.company_id}), and the "
            f"connection opens {now.company} (company {now.company_id}) as {now}. Nothing was changed. "
            f"Connect to {before.company} again, or set PIPEDRIVE_WAREHOUSE to another file "
            f"for {now.company}."
        )


class HiddenRowsError(PipedriveError):
    """Another user is connected than the rows were read with, and does not see many of them."""

    def __init__(
        self, source: str, before: ConnectedUser, now: ConnectedUser, hidden: int, rows: int
    ) -> None:
        super().__init__(
            f"{hidden:,} of {rows:,} rows of {source} are not there for {now}, and nothing says that they "
            f"were deleted. They were read as {before}. No row was marked as removed. Connect as "
            f"{before.user} again, or import all windows once with --accept-user (in Dagster: "
            f"accept_user: true) to go on as {now.user}, without these rows."
        )


@dataclass(slots=True)
class Eyesight:
    """Who reads, who read before, and how many rows only the latter saw.

    Attributes:
        user: as whom the account is read.
        before: as whom the source's rows were read, if there are any and it is known.
        rows: the current rows that the import should meet again.
        accepted: whether somebody has said that this user's eyes count from now on.
    """

    client: Client
    source: str
    user: ConnectedUser
    before: ConnectedUser | None
    rows: int
    accepted: bool
    _asked: bool
    _hidden: int = field(default=0, init=False)

    @property
    def is_other(self) -> bool:
        """Whether the rows were read with other eyes."""
        return self.before is not None and not self.user.sees_as(self.before)

    @property
    def notes(self) -> list[str]:
        """What a reader of the import should know."""
        if not self.is_other:
            return []
        return [
            f"read as {self.user}, and before as {self.before}: what only one of them sees shows with the "
            "next pull of all windows"
        ]

    async def check(self, hidden: int) -> None:
        """Take note of rows that are gone without a trace.

        Raises:
            HiddenRowsError: they are too many to be believed of another user.
            PipedriveError: see :meth:`Client.get`.
        """
        self._hidden += hidden
        if self.accepted or self._hidden <= max(FEW_ROWS, SMALL_SHARE * self.rows):
            return
        if not self._asked:
            # The same secret can have lost the administrator's right.
            self.user, self._asked = await read_user(self.client), True
        if self.before is not None and self.is_other:
            raise HiddenRowsError(self.source, self.before, self.user, self._hidden, self.rows)


async def look(client: Client, source: str, memory: Memory, *, of_windows: bool, accepted: bool) -> Eyesight:
    """Find out as whom the account is read.

    Args:
        client: the connection.
        source: the source's slug.
        memory: what the warehouse knows of the source.
        of_windows: whether windows are to be read completely, and rows of theirs that do not come removed.
            Then Pipedrive is asked even if the user is known, since users gain and lose rights.
        accepted: see `Eyesight`.

    Raises:
        OtherCompanyError: the source's rows come from another company.
        PipedriveError: see :meth:`Client.get`.
    """
    asked = memory.user is None or (of_windows and memory.rows_in_windows > 0)
    user = await read_user(client) if asked or memory.user is None else memory.user
    if memory.reader is not None and memory.reader.company_id != user.company_id:
        raise OtherCompanyError(source, memory.reader, user)
    rows = memory.rows_in_windows if of_windows else memory.rows
    return Eyesight(client, source, user, memory.reader, rows, accepted, asked)
