"""How much is tried: little in every run of the tests, more where the environment says so."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

import pytest

One = TypeVar("One")


def size(name: str, default: int) -> int:
    """The number in an environment variable such as ``CHAOS_KILLS``."""
    return int(os.environ.get(name, default))


FULL = size("CHAOS_FULL", 0)
"""Whether everything is tried, the costly included."""


def sample(every: Iterable[One], *few: One) -> list[One]:
    """All cases of a test in `make chaos`, else the few that stand for them."""
    cases = list(every)
    assert all(one in cases for one in few)
    return cases if FULL else list(few)


in_full = pytest.mark.skipif(not FULL, reason="part of `make chaos`")
"""Marks what only `make chaos` does."""

SEED = size("CHAOS_SEED", 1)

ALONE = size("CHAOS_ALONE", FULL)
"""Accounts for each fault alone; 0 puts faults that are alike together."""

MIXES = size("CHAOS_MIXES", 10 if FULL else 1)
"""Accounts that are imported with all faults mixed."""

KILLS = size("CHAOS_KILLS", 200 if FULL else 1)
"""Import processes that are killed."""

APIS = size("CHAOS_APIS", 20)
"""APIs that are killed while they answer a call that writes."""

DAGSTERS = size("CHAOS_DAGSTERS", 4 * FULL)
"""Running Dagsters that are killed, or one of their processes is."""

BODIES = size("CHAOS_BODIES", 2_000 if FULL else 30)
"""Hostile texts that are read, as bodies of sources and as labels."""

CLIENTS = size("CHAOS_CLIENTS", 50 if FULL else 3)
"""Clients of the HTTP API at the same time."""

CROWD_SECONDS = size("CHAOS_CROWD_SECONDS", 60 if FULL else 1)
"""Seconds for which they call."""

WALKS = size("CHAOS_WALKS", 200 if FULL else 12)
"""Sequences of calls that follow the links of the OpenAPI page."""

FILTERS = size("CHAOS_FILTERS", 400 if FULL else 10)
"""Filters that are compared with a plain evaluation, and a tenth as many for every kind of property."""

WRITES = size("CHAOS_WRITES", 60 if FULL else 1)
"""Plans that are applied with lost answers and with kills in between, and undone."""

BULK = size("CHAOS_BULK", 10_000 if FULL else 100)
"""Records that one plan changes over some days of budget."""

FIELDS = size("CHAOS_FIELDS", 700 if FULL else 60)
"""Fields of an account whose fields have odd names, of all types."""

DAYS_OF_WINDOWS = 4_200 if FULL else 550
"""Days that have a window each, in a run of many windows."""
