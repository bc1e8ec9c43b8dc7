"""What the trials by fire share."""

from __future__ import annotations

from functools import partial

import pytest

from pipedrive_orchestration.importing import run
from pipedrive_orchestration.pipedrive import pagination
from pipedrive_orchestration.pipedrive.client import Client, Patience
from pipedrive_orchestration_tests.chaos.figures import FIGURES
from pipedrive_orchestration_tests.exactness.conftest import fresh_trial, small_pages

__all__ = ["fresh_trial", "hurried", "short_pages", "small_pages"]

HURRY = Patience(deadline=20.0, first_deadline=20.0, attempt=0.8, blocked=0.05)
"""Long enough for every fault that passes, on a busy machine too; stalls are given up soon."""


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Imports of this process wait for nothing as long as they would in earnest."""
    monkeypatch.setattr(run, "Client", partial(Client, patience=HURRY))


@pytest.fixture
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of 20, so that a small account has many."""
    monkeypatch.setattr(pagination, "MAX_PAGE_SIZE", 20)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says what was tried, where it was tried in this process."""
    for what, count in sorted(FIGURES.items()):
        terminalreporter.write_line(f"chaos: {count:,} {what}")
