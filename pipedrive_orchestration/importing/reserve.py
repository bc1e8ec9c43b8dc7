"""The tokens of a day that an import leaves to others: to the ticks that come before it, until midnight.

All sources of an account share one budget a day. A pull that reads windows could spend it in minutes, and no
source would follow its changes any more that day.
"""

from __future__ import annotations

import math
from datetime import datetime

from pipedrive_orchestration.importing.context import ImportRequest
from pipedrive_orchestration.importing.prior_state import PriorState
from pipedrive_orchestration.importing.report import Pull
from pipedrive_orchestration.sources import USUAL_PRIORITY, Priority

_RANKS: dict[Priority, int] = {"high": 0, "normal": 1, "low": 2}


def reserve_of(request: ImportRequest, prior: PriorState, midnight: datetime) -> int:
    """How many of the day's tokens an import does not touch.

    Args:
        request: the import.
        prior: what the warehouse knows of the ticks of late.
        midnight: when the day's budget ends, by our clock.
    """
    hours = max(0.0, (midnight - request.started_at).total_seconds() / 3600)
    own = _RANKS[request.source.options.priority]
    reads_windows = request.pull is Pull.WINDOW
    needed = 0.0
    for slug, an_hour in prior.tokens_of_ticks.items():
        if slug == request.source.slug:
            comes_first = reads_windows
        else:
            rank = _RANKS[request.priorities.get(slug, USUAL_PRIORITY)]
            comes_first = rank < own or (rank == own and reads_windows)
        needed += an_hour * hours if comes_first else 0.0
    return math.ceil(needed)
