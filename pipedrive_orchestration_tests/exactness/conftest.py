"""Accounts with a warehouse beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipedrive_orchestration.demo import DemoServer, LoggedRequest
from pipedrive_orchestration.importing import load
from pipedrive_orchestration.pipedrive import lookup, pagination
from pipedrive_orchestration_tests.exactness.trial import Trial

FreshTrial = Callable[..., Trial]
BetweenRequests = Callable[[DemoServer, Callable[[LoggedRequest], None]], AbstractContextManager[None]]


@pytest.fixture
def fresh_trial(fresh_demo: Callable[..., DemoServer], tmp_path: Path) -> FreshTrial:
    """Starts a small account of the test's own; ``choices`` are those of the demo account's `Settings`."""

    def start(**choices: Any) -> Trial:
        return Trial(fresh_demo(**choices), tmp_path)

    return start


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of 20 and a commit for every window, so that a small account has moments between which things
    happen."""
    monkeypatch.setattr(load, "SECONDS_BETWEEN_COMMITS", 0.0)
    for module in (pagination, lookup):
        monkeypatch.setattr(module, "MAX_PAGE_SIZE", 20)


@pytest.fixture
def between_requests(monkeypatch: pytest.MonkeyPatch) -> BetweenRequests:
    """Lets something happen at the account right after each answer was made, before it is received.

    As long as the block lasts.
    """

    @contextmanager
    def happening(server: DemoServer, then: Callable[[LoggedRequest], None]) -> Iterator[None]:
        log = server.account.log

        def log_and_then(request: LoggedRequest) -> None:
            log(request)
            then(request)

        with monkeypatch.context() as patched:
            patched.setattr(server.account, "log", log_and_then)
            yield

    return happening
