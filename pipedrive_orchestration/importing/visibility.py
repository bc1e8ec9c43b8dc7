"""The user whom the token belongs to, and whether that user sees less than the one before.

Pipedrive shows every user what that user may see. Rows that somebody else saw are not removed because this
user does not see them, and rows of one company are never mixed with those of another.
"""

from __future__ import annotations

from pipedrive_orchestration.importing.context import ImportRequest
from pipedrive_orchestration.importing.prior_state import PriorState
from pipedrive_orchestration.importing.report import Pull
from pipedrive_orchestration.pipedrive.account import ConnectedUser, read_user
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.errors import PipedriveError

FEW_ROWS = 10
"""The rows that may go without a trace with a change of the user, whatever their share is."""

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


class Visibility:
    """The user who reads, the user who read before, and how many rows only the latter saw.

    Attributes:
        user: whom the token belongs to.
    """

    def __init__(
        self,
        client: Client,
        request: ImportRequest,
        prior: PriorState,
        user: ConnectedUser,
        *,
        is_asked: bool,
    ) -> None:
        self.user = user
        self._client = client
        self._request = request
        self._prior = prior
        self._is_asked = is_asked
        self._hidden = 0

    @property
    def before(self) -> ConnectedUser | None:
        """Who read the source's rows, if there are any and it is known."""
        return self._prior.last_user

    @property
    def is_accepted(self) -> bool:
        """Whether somebody has said that what this user sees counts from now on."""
        return self._request.accept_user

    @property
    def is_other(self) -> bool:
        """Whether the rows were read by a user who sees something else."""
        return self.before is not None and not self.user.sees_as(self.before)

    @property
    def notes(self) -> list[str]:
        """Sentences on the user for whoever reads the import's report."""
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
        rows = _rows_to_meet(self._request, self._prior)
        if self.is_accepted or self._hidden <= max(FEW_ROWS, SMALL_SHARE * rows):
            return
        if not self._is_asked:
            # The same secret can have lost the administrator's right.
            self.user, self._is_asked = await read_user(self._client), True
        if self.before is not None and self.is_other:
            raise HiddenRowsError(self._request.source.slug, self.before, self.user, self._hidden, rows)


async def read_visibility(client: Client, request: ImportRequest, prior: PriorState) -> Visibility:
    """Find out whom the token belongs to, before anything of the account counts.

    Where windows are to be read completely, and rows of theirs that do not come removed, Pipedrive is asked
    even if the user is known, since users gain and lose rights. It is also asked where no answer has told its
    clock yet, by which a pull of changes is planned.

    Raises:
        OtherCompanyError: the source's rows come from another company.
        PipedriveError: see :meth:`Client.get`.
    """
    is_asked = (
        prior.user is None
        or (_reads_windows(request) and prior.rows_in_windows > 0)
        or (request.source.type.partitioned and not client.clock.is_told)
    )
    user = await read_user(client) if is_asked or prior.user is None else prior.user
    if prior.last_user is not None and prior.last_user.company_id != user.company_id:
        raise OtherCompanyError(request.source.slug, prior.last_user, user)
    return Visibility(client, request, prior, user, is_asked=is_asked)


def _reads_windows(request: ImportRequest) -> bool:
    return request.source.type.partitioned and request.pull is Pull.WINDOW


def _rows_to_meet(request: ImportRequest, prior: PriorState) -> int:
    """The current rows that the import should meet again."""
    return prior.rows_in_windows if _reads_windows(request) else prior.rows
