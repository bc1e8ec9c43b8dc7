"""Failures of runs that are foreseen: a run shows their message, not the stack of what raised them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from pipedrive_orchestration.orchestration.source.table_metadata import markdown_table
from pipedrive_orchestration.services.dagster_internals import ForeseenFailure
from pipedrive_orchestration.sources import InvalidBodyError


@contextmanager
def foreseen(*errors: type[Exception]) -> Iterator[None]:
    """Fails the run by the message of an error of these kinds; a wrong body shows a table of its problems.

    Raises:
        ForeseenFailure: in place of such an error, which is its context.
    """
    try:
        yield
    except errors as error:
        metadata: dict[str, dg.MetadataValue] = {}
        if isinstance(error, InvalidBodyError):
            rows = [[problem.field, problem.code, problem.message] for problem in error.problems]
            metadata["problems"] = dg.MetadataValue.md(markdown_table(["field", "code", "problem"], rows))
        raise ForeseenFailure(str(error), metadata) from None
