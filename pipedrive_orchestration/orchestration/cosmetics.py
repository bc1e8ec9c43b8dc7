"""Cosmetics of a run: what it shows beside its work, of which nothing can fail it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")


def shown(log: logging.Logger, what: str, make: Callable[[], T]) -> T | None:
    """Something to be shown; None, with a warning, where it cannot be made.

    Args:
        log: takes the warning, on one line.
        what: names what is made, in the plural.
        make: makes it.
    """
    try:
        return make()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a picture, the rows are there
        log.warning(f"The {what} are left out: {reason_of(error)}")
        return None


def shown_parts(log: logging.Logger, parts: Mapping[str, Callable[[], Mapping[str, T]]]) -> dict[str, T]:
    """The entries of several parts, by what each is called; a part that cannot be made is left out."""
    entries: dict[str, T] = {}
    for what, make in parts.items():
        entries |= shown(log, what, make) or {}
    return entries


def reason_of(error: Exception) -> str:
    """The first line of an error, cut to a length that a log can show."""
    lines = str(error).strip().splitlines()
    reason = lines[0] if lines else type(error).__name__
    return reason if len(reason) <= LONGEST_REASON else f"{reason[: LONGEST_REASON - 1]}…"


LONGEST_REASON = 300
