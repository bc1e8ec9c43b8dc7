"""Names that Dagster gives.

It shows both to everybody, in run requests and in GraphQL, but exports neither.
"""

from __future__ import annotations

REPOSITORY = "__repository__"
"""The definitions of a code location that has no repository of its own."""

ALL_ASSETS_JOB = "__ASSET_JOB"
"""Dagster's own job that holds every asset."""
