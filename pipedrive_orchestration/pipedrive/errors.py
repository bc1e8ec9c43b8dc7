"""The errors between here and Pipedrive, each with its remedy.

::

    PipedriveError
    ├── NotConnected     no token, or Pipedrive refuses it (401)
    ├── OAuthStateError  the OAuth tokens cannot be read or kept
    ├── Refused          Pipedrive understood and will not do it (400, 402, 403, 404, 410, ...)
    ├── OutcomeUnknown   a write whose answer is lost: it may have been carried out and may not
    ├── Unavailable      no usable answer before the deadline: host unreachable, 5xx, broken bodies
    ├── EndlessList      a list names the same next page for ever
    ├── UnprovenEnd      a list breaks off without saying that it ends
    └── BudgetSpent      the account's daily tokens are used up; says when they come back

No message carries a token: requests are described by method, path and parameters only, and the token
travels in a header.
"""

from __future__ import annotations

from datetime import datetime

NOT_CONNECTED = "User is not connected to 'pipedrive'."


class PipedriveError(Exception):
    """Base of everything this package raises for an answer, or a missing answer, of Pipedrive."""


USUAL_REMEDY = (
    "Set PIPEDRIVE_API_TOKEN to a token of the account (Pipedrive: Personal preferences > API) and, for a "
    "company host, PIPEDRIVE_API_URL to https://<company>.pipedrive.com."
)
"""The way to connect with an API token."""

OAUTH_REMEDY = (
    "Install the app for the user again and set PIPEDRIVE_OAUTH_REFRESH_TOKEN to the refresh token that it "
    "gives, beside PIPEDRIVE_OAUTH_CLIENT_ID and PIPEDRIVE_OAUTH_CLIENT_SECRET of the app; or set "
    "PIPEDRIVE_API_TOKEN instead."
)
"""The way to connect as an installed app."""


class NotConnected(PipedriveError):
    """There is no token, or Pipedrive does not accept it.

    Attributes:
        hint: why, and what to do about it.
    """

    def __init__(self, reason: str, remedy: str = USUAL_REMEDY) -> None:
        self.hint = f"{reason} {remedy}"
        super().__init__(f"{NOT_CONNECTED} {self.hint}")


class OAuthStateError(PipedriveError):
    """The place that keeps the newest OAuth tokens cannot be used."""

    def __init__(self, place: str, reason: str, remedy: str) -> None:
        super().__init__(f"The OAuth tokens cannot be kept in {place}: {reason.rstrip('.')}. {remedy}")


_MOVED = "The token is not sent on to another address; set PIPEDRIVE_API_URL to the right one."
_REMEDIES = {
    **dict.fromkeys((301, 302, 303, 307, 308), _MOVED),
    400: "The request was not accepted; check the properties and filters of the source.",
    402: "The account's plan is not open for this collection; remove the source or upgrade the plan.",
    403: "The token's user may not read this; use a token of a user who can, or ask an administrator.",
    404: "There is no such resource at this address; check PIPEDRIVE_API_URL.",
    410: "Pipedrive has retired this address; update pipedrive_orchestration.",
}

_REMEDIES_OF_WRITES = {
    400: "Nothing was changed; mend the values.",
    403: "Nothing was changed: the token's user, or the installed app, may not write this.",
    404: "Nothing was changed: there is no such record any more.",
}


class Refused(PipedriveError):
    """Pipedrive answered and will not do it; asking again would not help.

    Attributes:
        status: HTTP status.
        reason: Pipedrive's sentence.
        code: Pipedrive's machine-readable code where it gives one (docs/pipedrive-api.md#errors).
    """

    def __init__(self, request: str, status: int, error: str, code: str | None = None) -> None:
        self.status = status
        self.code = code
        self.reason = error.rstrip(".")
        remedies = _REMEDIES if request.startswith("GET ") else _REMEDIES | _REMEDIES_OF_WRITES
        remedy = remedies.get(status, "Pipedrive does not say how to mend this.")
        super().__init__(f"{request} answered {status}: {self.reason}. {remedy}")


class OutcomeUnknown(PipedriveError):
    """A write got no answer that says whether it was carried out."""

    def __init__(self, request: str, reason: str) -> None:
        super().__init__(
            f"{request} was sent, and it is not known whether Pipedrive carried it out: {reason}. It is not "
            "sent again before that is known."
        )


class Unavailable(PipedriveError):
    """No usable answer came before the deadline."""

    def __init__(self, request: str, reason: str, seconds: float) -> None:
        super().__init__(
            f"{request} got no usable answer within {seconds:.0f} s: {reason}. "
            "Check the network and PIPEDRIVE_API_URL, then run it again; what is committed stays."
        )


class BudgetSpent(PipedriveError):
    """The account's daily token budget cannot pay the next request.

    Attributes:
        resumes_at: the instant from which the budget is expected to be full again, by our clock in UTC.
    """

    def __init__(
        self,
        request: str,
        cost: int,
        left: int | None,
        resumes_at: datetime,
        reserve: int = 0,
        kept: int = 0,
    ) -> None:
        self.resumes_at = resumes_at
        rest = "is spent" if not left else f"has {left:,} tokens left, this request costs {cost}"
        if kept and left and left >= cost + reserve:
            rest = f"has {left:,} tokens left, {kept:,} of which the end of the import may have needed"
        elif left and left >= cost:
            rest = (
                f"has {left:,} tokens left, which the schedules of the account's sources need today (about "
                f"{reserve:,}; options.priority says who comes first)"
            )
        super().__init__(
            f"The account's daily token budget {rest} (at {request}). What was committed stays; "
            f"run it again after {resumes_at:%Y-%m-%d %H:%M} UTC and it goes on from there."
        )


class EndlessList(PipedriveError):
    """A list does not come to an end."""

    def __init__(self, path: str, successor: str | int) -> None:
        super().__init__(
            f"GET {path} goes round in circles at {successor!r}: Pipedrive answers the same next page again "
            "and again. Run the import again later; what is committed stays."
        )


class UnprovenEnd(PipedriveError):
    """A list breaks off: a full page, not a word of more, and nothing to go on from."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"GET {path} answers a full page and does not say whether there is more. What is beyond it would "
            "be missing, so the import ends here. Run it again later; what is committed stays."
        )
