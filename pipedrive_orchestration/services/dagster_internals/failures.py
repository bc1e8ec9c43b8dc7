"""Ends of a step that Dagster shows by their sentence alone.

Dagster shows every error with the stack of its own functions, also one whose message says all there is;
what a subprocess has made of an error it passes on.
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg
from dagster._core.errors import DagsterUserCodeProcessError
from dagster_shared.error import SerializableErrorInfo


class _WithoutStack(DagsterUserCodeProcessError):
    """Base of errors that Dagster shows by their message alone."""

    def __init__(self, sentence: str) -> None:
        shown = SerializableErrorInfo(sentence, [], type(self).__name__)
        super().__init__(sentence, user_code_process_error_infos=[shown])  # type: ignore[no-untyped-call]


class ForeseenFailure(dg.Failure, _WithoutStack):
    """An end of a step whose reason is all there is to know; it is not tried again.

    Args:
        reason: a sentence or more.
        metadata: shown beside it.
    """

    def __init__(self, reason: str, metadata: Mapping[str, dg.MetadataValue] | None = None) -> None:
        super().__init__(reason, metadata, allow_retries=False)


class Cancellation(dg.DagsterExecutionInterruptedError, _WithoutStack):
    """The end of a step that somebody has cancelled; the message says what stays, and what is left."""
