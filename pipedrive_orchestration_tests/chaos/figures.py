"""What was tried and survived, counted for the summary at the end of a run."""

from __future__ import annotations

from collections import Counter

FIGURES: Counter[str] = Counter()
"""Filled by tests; one process's."""
