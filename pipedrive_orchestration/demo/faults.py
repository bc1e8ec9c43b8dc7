"""The faults that can befall an answer of the account on its way, and how often each does."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What can happen to an answer; the value is its name for ``--faults``."""

    BURST = "burst-429"
    DAILY = "daily-429"
    ERROR_500 = "500"
    ERROR_502 = "502"
    ERROR_503 = "503"
    ERROR_504 = "504"
    BLOCKED = "html-403"
    RESET_BEFORE = "reset-before"
    RESET_DURING = "reset-during"
    RESET_AFTER = "reset-after"
    TRUNCATED = "truncated-json"
    HTML = "html-200"
    CONTENT_TYPE = "content-type"
    NO_SUCCESS = "success-false"
    NULL_DATA = "null-data"
    NO_ADDITIONAL_DATA = "no-additional-data"
    DUPLICATES = "duplicate-rows"
    LOST_CURSOR = "lost-cursor"
    CURSOR_CYCLE = "cursor-cycle"
    STALL_BEFORE = "stall-before"
    STALL_DURING = "stall-during"
    DRIP = "drip"
    CLOCK_AHEAD = "clock-ahead"
    CLOCK_BEHIND = "clock-behind"
    REDIRECT = "redirect"


@dataclass(frozen=True, slots=True)
class Faults:
    """Which faults come how often.

    Attributes:
        share: of the requests, between 0 and 1; a request that repeats a faulty one is spared.
        kinds: those that come, equally often.
        seed: the same seed and the same requests give the same faults.
        stall_seconds: how long a stalled answer is kept back before its connection is cut.
        drip_seconds: how long a dripping body takes.
        elsewhere: the address that redirects lead to.
        of_writes: whether writes have faults too. The account has done then what it was asked for, unless the
            fault says that it did not look at the request, as with a limit.
    """

    share: float
    kinds: tuple[Fault, ...] = tuple(Fault)
    seed: int = 1
    stall_seconds: float = 60.0
    drip_seconds: float = 2.0
    elsewhere: str = "http://elsewhere.invalid"
    of_writes: bool = False

    @classmethod
    def parse(cls, text: str) -> Faults:
        """Read ``SHARE`` or ``SHARE:NAME,NAME,...``, such as ``0.05`` or ``0.2:500,drip``.

        Raises:
            argparse.ArgumentTypeError: it is neither.
        """
        share, _, names = text.partition(":")
        try:
            kinds = tuple(Fault(name.strip()) for name in names.split(",")) if names else tuple(Fault)
            chosen = cls(float(share), kinds)
        except ValueError:
            chosen = None
        if chosen is None or not 0 <= chosen.share <= 1:
            raise argparse.ArgumentTypeError(
                f"must be a share between 0 and 1, and names after a colon if not all faults are wanted: "
                f"{', '.join(Fault)}; not {text}"
            )
        return chosen
