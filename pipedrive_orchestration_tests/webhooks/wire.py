"""What lies between an account and the inbox: events are lost, come twice, late, and in another order."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import orjson

from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.webhooks.inbox import Inbox
from pipedrive_orchestration.webhooks.merger import Merged, Merger
from pipedrive_orchestration_tests.exactness.trial import Trial


class Wire:
    """The events of a trial's account on their way to its inbox, and the merger behind it."""

    def __init__(self, trial: Trial, sources: Sequence[Source]) -> None:
        self.trial = trial
        self.sources = sources
        self.inbox = Inbox(trial.folder / "inbox")
        self.merger = self.new_merger()
        self.under_way: list[bytes] = []
        self._webhooks = trial.demo.account.webhooks
        self._webhooks.is_watched = True
        self._webhooks.take()

    def new_merger(self) -> Merger:
        trial = self.trial
        return Merger(self.inbox, trial.connection, trial.warehouse, trial.staging, trial.clock)

    def emit(self) -> None:
        """Take what has happened onto the way."""
        self.under_way += [orjson.dumps(one.body) for one in self._webhooks.take()]

    def deliver(self) -> None:
        """Everything arrives, in its order."""
        self.emit()
        self._arrive(self.under_way)
        self.under_way = []

    def deliver_some(self, rng: Random) -> None:
        """Some arrives in any order and perhaps twice, some stays on its way, and some is lost."""
        self.emit()
        arriving, staying = [], []
        for event in self.under_way:
            fate = rng.random()
            if fate < 0.6:
                arriving += [event] * rng.choice((1, 1, 2))
                if fate < 0.1:
                    staying.append(event)
            elif fate < 0.8:
                staying.append(event)
        rng.shuffle(arriving)
        self._arrive(arriving)
        self.under_way = staying

    def _arrive(self, events: Sequence[bytes]) -> None:
        if events:
            self.inbox.add(events)

    def merge(self) -> Merged:
        return self.merger.merge(self.sources)
