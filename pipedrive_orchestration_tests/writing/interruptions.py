"""Kills at every moment of an application, and applications that go on over them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import pytest

from pipedrive_orchestration.demo import Fault
from pipedrive_orchestration.pipedrive.client import Client, Written
from pipedrive_orchestration.pipedrive.errors import PipedriveError
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.writing import apply as apply_module
from pipedrive_orchestration.writing.apply import NotAppliedError
from pipedrive_orchestration.writing.ledger import Plan
from pipedrive_orchestration_tests.writing.trial import WriteTrial

LOST = (
    Fault.ERROR_500, Fault.ERROR_502, Fault.RESET_BEFORE, Fault.RESET_DURING, Fault.TRUNCATED, Fault.HTML,
    Fault.NO_SUCCESS, Fault.NULL_DATA, Fault.BURST,
)  # fmt: skip


class KilledError(BaseException):
    """The process has ended here."""


class KillSwitch:
    """Ends everything at one of the moments at which a process can be killed; nothing goes on then.

    Moments are before and after each write is sent, and before, within and after each transaction.
    """

    def __init__(self) -> None:
        self.left: int | None = None

    def moment(self) -> None:
        """Passes one moment, or ends there."""
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise KilledError

    @contextmanager
    def after(self, moments: int | None) -> Iterator[None]:
        """Kills after so many moments of the block, if it lasts that long."""
        self.left = moments
        try:
            yield
        except KilledError:
            pass
        finally:
            self.left = None


@pytest.fixture
def switch(monkeypatch: pytest.MonkeyPatch) -> KillSwitch:
    """What is killed with it: sending, and committing."""
    switch = KillSwitch()
    send, writing = Client.send, Warehouse.writing

    async def sending(self: Client, method: str, path: str, body: Any, **how: Any) -> Written:
        switch.moment()
        answer = await send(self, method, path, body, **how)
        switch.moment()
        return answer

    @contextmanager
    def committing(self: Warehouse) -> Iterator[duckdb.DuckDBPyConnection]:
        switch.moment()
        with writing(self) as connection:
            yield connection
            switch.moment()
        switch.moment()

    monkeypatch.setattr(Client, "send", sending)
    monkeypatch.setattr(Warehouse, "writing", committing)
    monkeypatch.setattr(apply_module, "BATCH", 7)
    return switch


def applied(
    trial: WriteTrial, plan: Plan, write: Any, switch: KillSwitch, kills: list[int], **how: Any
) -> None:
    """Apply a plan to its end, over some kills."""
    for moments in [*kills, *[None] * 20]:
        with switch.after(moments):
            try:
                if trial.apply(plan, write, **how).is_complete:
                    return
            except NotAppliedError as error:
                if "applied already" not in str(error):
                    raise
                return  # the kill came after the end was recorded
            except PipedriveError:
                continue
    raise AssertionError("the plan does not come to its end")
