"""Carrying out a request on the account, with or without HTTP around it."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.call import Answer, Call
from pipedrive_orchestration.demo.journal import Journal
from pipedrive_orchestration.demo.routes import ROUTES, Route

PREFIXES = {"v2": ("/api/v2",), "v1": ("/v1", "/api/v1")}
"""Where each version is served; v2 exists under ``/api`` only.

See docs/pipedrive-api.md#addresses-and-versions.
"""


def perform(route: Route, call: Call, target: str, journal: Journal | None) -> Answer:
    """Lets the route's endpoint answer the call and keeps a write that succeeded.

    Args:
        route: what was asked for.
        call: with what.
        target: path and query, for the journal.
        journal: where writes are kept, if anywhere.

    Raises:
        ApiError: the account refuses it.
    """
    account = call.account
    with account.lock:
        account.purge()
        answer = route.endpoint(call)
        if journal is not None and route.method != "GET":
            journal.append(account.clock.now(), route.method, target, call.content)
    return answer


def perform_directly(
    account: Account, method: str, target: str, content: bytes, journal: Journal | None = None
) -> Answer:
    """The same for a method, a path with its query and a body.

    Raises:
        ApiError: the account refuses it.
        KeyError: there is no such route.
    """
    split = urlsplit(target)
    route, values = _find_route(method, split.path)
    query = tuple(parse_qsl(split.query, keep_blank_values=True))
    return perform(route, Call(account, route.version, values, query, content), target, journal)


def _find_route(method: str, path: str) -> tuple[Route, dict[str, str]]:
    for route in ROUTES:
        for prefix in PREFIXES[route.version]:
            values = _match(f"{prefix}{route.path}", path)
            if route.method == method and values is not None:
                return route, values
    raise KeyError(f"{method} {path}")


def _match(template: str, path: str) -> dict[str, str] | None:
    wanted, given = template.split("/"), path.split("/")
    if len(wanted) != len(given):
        return None
    values = {}
    for part, value in zip(wanted, given, strict=True):
        if part.startswith("{"):
            values[part.strip("{}")] = value
        elif part != value:
            return None
    return values
