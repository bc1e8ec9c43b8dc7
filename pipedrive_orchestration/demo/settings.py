"""What can be chosen about a demo account before it starts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipedrive_orchestration.demo.faults import Faults


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices for one demo account.

    Attributes:
        port: TCP port on 127.0.0.1; 0 takes a free one.
        seed: the same seed, scale and birth give the same data.
        scale: multiplies the number of records.
        latency_ms: how long every answer is held back, in milliseconds.
        burst: requests per rolling 2 s window (docs/pipedrive-api.md#rate-limits); 0 removes the limit.
        daily_tokens: tokens per day (docs/pipedrive-api.md#rate-limits); 0 removes the limit.
        hammering: refusals within 10 s after which an API token is shut out with an HTML page.
        shut_out_seconds: how long that lasts.
        journal: file that keeps the account between starts; none keeps nothing.
        oauth_seconds: how long an OAuth access token is good for (docs/pipedrive-api.md#authentication).
        faults: what goes wrong on the way to the account; nothing if not given.
        born: the instant up to which data is generated, and at which the account's clock begins; if not
            given, the present one of this machine's clock, which the account's then follows.
        webhook_pace: by which the pauses before events are delivered again are shortened.
        clock_rate: how many of the account's seconds pass in a second where it has a clock of its own;
            at 0 it stands still until it is moved.
    """

    port: int = 0
    seed: int = 1
    scale: float = 1.0
    latency_ms: float = 0.0
    burst: int = 40
    daily_tokens: int = 0
    hammering: int = 100
    shut_out_seconds: float = 30.0
    journal: Path | None = None
    oauth_seconds: int = 3599
    faults: Faults | None = None
    born: datetime | None = None
    clock_rate: float = 1.0
    webhook_pace: float = 1.0

    @property
    def token(self) -> str:
        """The account's API token: 40 hex digits, the same for the same seed."""
        return hashlib.sha256(f"demo account {self.seed}".encode()).hexdigest()[:40]
