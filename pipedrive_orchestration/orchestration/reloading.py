"""Making the code location show what the project folder holds now."""

from __future__ import annotations

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin

from pipedrive_orchestration.orchestration.names import LOCATION, STATE_KEY
from pipedrive_orchestration.orchestration.web_server import WebServerError, ask

TIMEOUT_SECONDS = 60
"""How long a reload may take."""

_BY_HAND = "Reload the definitions on the Deployment page of Dagster's UI to see the source."

_REFRESH = """mutation($location: String!, $key: String!) {
  refreshComponentState(locationName: $location, defsStateKey: $key) {
    __typename ... on RefreshComponentStateError { message } ... on PythonError { message } } }"""


class ReloadError(Exception):
    """The code location was not reloaded; the message says why and what to do."""


def reload_sources(url: str) -> None:
    """Lets a running Dagster take a new snapshot of the project folder, and waits until it shows it.

    Args:
        url: base address of Dagster's web server, such as ``http://127.0.0.1:3000``.

    Raises:
        ReloadError: it does not answer, or cannot load the location.
    """
    try:
        ask(url, _REFRESH, timeout=TIMEOUT_SECONDS, location=LOCATION, key=STATE_KEY)
    except WebServerError as error:
        raise ReloadError(f"The definitions were not reloaded. {error} {_BY_HAND}") from error


def reload_location(run: dg.DagsterRun) -> None:
    """The same from within a run: asks the code server that the run was launched from.

    Raises:
        ReloadError: that server has no address, as it is with a web server that was started alone, or
            it does not answer.
    """
    origin = run.remote_job_origin
    location = origin.repository_origin.code_location_origin if origin else None
    if not isinstance(location, GrpcServerCodeLocationOrigin):
        raise ReloadError(_BY_HAND)
    try:
        location.create_client().reload_code(timeout=TIMEOUT_SECONDS)
    except DagsterUserCodeUnreachableError as error:
        raise ReloadError(f"The code server did not reload. {_BY_HAND}") from error
