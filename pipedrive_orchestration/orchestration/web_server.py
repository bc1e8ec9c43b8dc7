"""Asking Dagster's web server to do something, as its UI does."""

from __future__ import annotations

from typing import Any

import httpx


class WebServerError(Exception):
    """The web server does not answer, or does not do it; the message says which and why."""


def ask(url: str, mutation: str, *, timeout: float, **variables: object) -> dict[str, Any]:
    """What the web server answers to a mutation of one field.

    Args:
        url: its base address, such as ``http://127.0.0.1:3000``.
        mutation: GraphQL, which asks for the ``message`` of every error.
        timeout: seconds that it may take.
        variables: of the mutation.

    Raises:
        WebServerError: there is no answer, or it is the message of an error.
    """
    try:
        answer = httpx.post(
            f"{url.rstrip('/')}/graphql", json={"query": mutation, "variables": variables}, timeout=timeout
        )
        (result,) = answer.raise_for_status().json()["data"].values()
        message = result.get("message")
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WebServerError(f"Dagster's web server at {url} does not answer ({error!r}).") from error
    if message is not None:
        raise WebServerError(f"Dagster says: {message}")
    return dict(result)
