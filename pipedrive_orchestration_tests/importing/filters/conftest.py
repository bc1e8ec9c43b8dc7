"""Accounts with a warehouse beside them, and pages small enough to have several."""

from __future__ import annotations

from pipedrive_orchestration_tests.exactness.conftest import FreshTrial, fresh_trial, small_pages

__all__ = ["FreshTrial", "fresh_trial", "small_pages"]
