"""Days of webhooks that are lost, come twice and in any order; receivers and mergers are killed, pulls go on.

``CHAOS_WEBHOOK_DAYS`` sets how many.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from pipedrive_orchestration.demo import running_demo
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.webhooks.inbox import OPEN_SUFFIX
from pipedrive_orchestration.webhooks.subscriptions import health_of, listed, register
from pipedrive_orchestration_tests.chaos.figures import FIGURES
from pipedrive_orchestration_tests.chaos.killed_webhooks import Place
from pipedrive_orchestration_tests.chaos.obeying import obeying
from pipedrive_orchestration_tests.chaos.sizes import FULL, SEED, size
from pipedrive_orchestration_tests.conftest import account_settings
from pipedrive_orchestration_tests.exactness import truth
from pipedrive_orchestration_tests.exactness.churn import Action, Churn, Record, _restore
from pipedrive_orchestration_tests.exactness.trial import Trial

DAYS = size("CHAOS_WEBHOOK_DAYS", 2 * FULL)
HOURS = 24 * DAYS or 2
CALM_HOURS = 6 if FULL else 1
CALM_WRITES = 6 if FULL else 3

TYPES = ("deals", "persons", "organizations", "activities", "products", "notes", "stages")
CORE = TYPES[:5]
"""Object types whose events hold all that is needed."""

PATIENCE_SECONDS = 120


class Days:
    """An account whose events go to a receiver and a merger, each a process that can be killed."""

    def __init__(
        self, trial: Trial, types: tuple[str, ...], forks: subprocess.Popen[str], place: Place
    ) -> None:
        self.trial = trial
        self.sources = sources_of(trial, types)
        self.account = trial.demo.account
        self.place = place
        self.rng = Random(SEED)
        self.churn = Churn(trial.demo, SEED, types)
        self._forks = forks
        self._pids: dict[str, int] = {}

    def advance(self, seconds: float) -> None:
        self.account.clock.advance(timedelta(seconds=seconds))
        tell_time(self.trial)

    def start(self) -> None:
        """Start what does not run."""
        assert self._forks.stdin is not None
        assert self._forks.stdout is not None
        for part in ("receiver", "merger"):
            if part not in self._pids:
                self._forks.stdin.write(f"{part}\n")
                self._forks.stdin.flush()
                self._pids[part] = int(self._forks.stdout.readline())
        self.wait("receiver", self._is_listening)

    def kill(self, part: str) -> None:
        """Kill a part, if it runs."""
        if part not in self._pids:
            return
        os.kill(self._pids.pop(part), signal.SIGKILL)  # which fails where it has ended by itself
        FIGURES[f"processes of webhooks killed: {part}"] += 1

    def end(self) -> None:
        for part in list(self._pids):
            self.kill(part)

    def subscribe(self) -> None:
        url = f"http://127.0.0.1:{self.place.port}/webhooks/pipedrive"
        connection = self.trial.connection
        asyncio.run(register(connection, self.place.settings, self.sources, url))

    def pull(self) -> None:
        """What the next tick of every source does."""
        for source in self.sources:
            self.trial.changes(source)

    def close_gap(self) -> None:
        """What follows from the check: subscriptions that Pipedrive has ended are made again, and pulls."""
        if not health_of(asyncio.run(listed(self.trial.connection)), self.sources).is_well:
            self.subscribe()
            self.pull()

    def shuffle(self) -> None:
        """Let what is not under way yet come in any order, and some of it twice."""
        with self.account.lock:
            waiting = self.account.webhooks.occurred
            told = [*waiting, *self.rng.sample(list(waiting), len(waiting) // 3)]
            self.rng.shuffle(told)
            waiting.clear()
            waiting.extend(told)

    def settle(self) -> None:
        """Wait until everything is delivered or given up, and merged."""
        self.wait("end of deliveries", lambda: self.trial.demo.deliveries.are_done)
        self.wait("merge", self._is_merged)

    def wait(self, what: str, look: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not look():
            assert time.monotonic() < deadline, f"no {what}"
            time.sleep(0.01)

    def differences(self) -> list[str]:
        found = [one for source in self.sources for one in self.trial.differences(source)]
        # A list shows what was merged as deleted; events know better.
        return [one for one in found if not one.endswith("_removal is merged, should be deleted")]

    def _is_merged(self) -> bool:
        inbox = self.place.inbox
        with suppress(FileNotFoundError):
            shown_soon = any(file.stat().st_size for file in inbox.folder.glob(f".*{OPEN_SUFFIX}"))
            return not (shown_soon or inbox.files())
        return False

    def _is_listening(self) -> bool:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.place.port), timeout=1).close()
            return True
        return False


def sources_of(trial: Trial, types: tuple[str, ...]) -> list[Source]:
    """Sources of all properties of which events have the values."""
    sources = []
    for name in types:
        kinds = truth.kinds_of(trial.demo.account, name).values()
        properties = tuple(kind.key for kind in kinds if kind.field_type not in ("time", "timerange"))
        sources.append(trial.source(name, properties=properties))
    return sources


class Calm(Churn):
    """Writes after whose events nothing is in doubt: nothing comes back that was deleted."""

    def _pick(self, family: str, action: Action) -> Record | None:
        return None if action is _restore else super()._pick(family, action)


def tell_time(trial: Trial) -> None:
    """Let the processes know what time it is."""
    clock = trial.folder / "clock"
    beside = clock.with_name("clock.new")
    beside.write_text(trial.demo.account.clock.exactly_now().isoformat())
    beside.rename(clock)


@contextmanager
def days(types: tuple[str, ...]) -> Iterator[Days]:
    with (
        running_demo(account_settings(scale=0.005, webhook_pace=10_000)) as demo,
        TemporaryDirectory() as folder,
        socket.socket() as free,
    ):
        trial = Trial(demo, Path(folder))
        tell_time(trial)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        sources = [source.model_dump_json() for source in sources_of(trial, types)]
        place = Place(demo.url, demo.token, folder, port, "pipedrive", "a password", sources)
        with obeying(
            "pipedrive_orchestration_tests.chaos.killed_webhooks", json.dumps(asdict(place))
        ) as forks:
            made = Days(trial, types, forks, place)
            for source in made.sources:
                trial.windows(source)
                trial.changes(source)
            made.advance(2)
            made.start()
            made.subscribe()
            try:
                yield made
            finally:
                made.end()


def test_days_of_webhooks_cost_nothing_while_nothing_is_lost_and_end_in_the_truth_whatever_is() -> None:
    types = TYPES if FULL else CORE[:2]
    with days(types) as life:
        _calm_hours(life)
        for _ in range(HOURS):
            _hour(life)
        life.start()
        life.settle()
        life.close_gap()
        life.pull()
        # What is still on its way comes after the pull.
        life.settle()
        assert life.differences() == []
        FIGURES["hours of webhooks"] += HOURS


def _calm_hours(life: Days) -> None:
    """Nothing is lost: the tables are right within the hour, and nothing was asked for core objects."""
    asked = len(life.account.requests)
    core = Calm(
        life.trial.demo,
        SEED + 1,
        tuple(source.object_type for source in life.sources if source.object_type in CORE),
    )
    for _ in range(CALM_HOURS):
        for _ in range(CALM_WRITES):
            core.step()
            life.advance(3)
            life.settle()
        life.advance(3600)
    assert life.differences() == []
    # What goes takes notes along, which are always looked up.
    spent = {one.path for one in life.account.requests[asked:] if not one.path.startswith("/v1/notes")}
    assert spent == set()


def _hour(life: Days) -> None:
    rng = life.rng
    for _ in range(rng.randrange(1, 4)):
        life.churn.steps(rng.randrange(8))
        if rng.random() < 0.5:
            life.shuffle()
        fate = rng.random()
        if fate < 0.3:
            time.sleep(rng.uniform(0, 0.1))
            life.kill("merger")
        elif fate < 0.6:
            time.sleep(rng.uniform(0, 0.05))
            life.kill("receiver")
            # Nobody answers: what happens now is tried four times and lost, and ten of it are a ban.
            life.churn.steps(rng.randrange(12))
        life.advance(rng.choice((0.2, 1, 5, 90, 600)))
        if rng.random() < 0.2:
            life.trial.changes(rng.choice(life.sources))
        if rng.random() < 0.8:
            life.start()
            if rng.random() < 0.5:
                life.settle()
    life.start()
    if rng.random() < 0.2:
        life.close_gap()
    if rng.random() < 0.2:
        life.pull()
    life.advance(rng.choice((60, 1800, 3600)))
