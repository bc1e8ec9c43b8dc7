"""Accounts with a warehouse beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.pipedrive import paging
from pipedrive_orchestration_tests.exactness.trial import Trial

FreshTrial = Callable[..., Trial]


@pytest.fixture
def fresh_trial(fresh_demo: Callable[..., DemoServer], tmp_path: Path) -> FreshTrial:
    """Starts a small account of the test's own; ``choices`` are those of the demo account's `Settings`."""

    def start(**choices: Any) -> Trial:
        return Trial(fresh_demo(**choices), tmp_path)

    return start


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are asked for in pages of 20, so that a small account has pages between which things happen."""
    monkeypatch.setattr(paging, "MAX_PAGE_SIZE", 20)
