"""Accounts with a warehouse beside them, to be read, of a test's own, or to rename things in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipedrive_orchestration.demo import DemoServer, running_demo
from pipedrive_orchestration_tests.conftest import account_settings
from pipedrive_orchestration_tests.exactness.trial import Trial


@pytest.fixture
def trial(demo: DemoServer, tmp_path: Path) -> Trial:
    """The shared account, to be read, and a warehouse."""
    return Trial(demo, tmp_path)


@pytest.fixture
def own_trial(fresh_demo: Callable[..., DemoServer], tmp_path: Path) -> Trial:
    """An account of the test's own, and a warehouse."""
    return Trial(fresh_demo(), tmp_path)


@pytest.fixture(scope="module")
def renaming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """An account in which things are renamed, and a warehouse."""
    with running_demo(account_settings()) as demo:
        yield Trial(demo, tmp_path_factory.mktemp("renaming"))
