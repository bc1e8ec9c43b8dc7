"""What Dagster calls a source: one place, since schedules, runs and stored state go by these names."""

from __future__ import annotations

import dagster as dg

LOCATION = "pipedrive_orchestration"
"""The code location, as workspace.yaml and pyproject.toml name it too."""

STATE_KEY = "ImportSources"
"""Under which the instance keeps snapshots of the project folder."""

PREFIX = "pipedrive"
WORKFLOWS_PREFIX = "workflows"

SOURCE_TAG = "pipedrive/source"
"""Tag of an unattended run with its source's slug; at most one such run per source is under way."""
PULL_TAG = "pipedrive/pull"
"""Tag of an unattended run with what it pulls."""
INITIAL_IMPORT_TAG = "pipedrive/initial_import"
"""Tag of a source's first import with the source's id."""


def asset_key(slug: str) -> dg.AssetKey:
    """The asset of a source."""
    return dg.AssetKey([PREFIX, slug])


def op_name(slug: str) -> str:
    """The op behind a source's asset, under which its run config stands."""
    return f"{PREFIX}__{slug}"


def schedule_name(slug: str) -> str:
    """The schedule of an active source."""
    return f"{slug}_schedule"


def workflow_key(slug: str) -> dg.AssetKey:
    """The asset of a workflow."""
    return dg.AssetKey([WORKFLOWS_PREFIX, slug])


def outputs_key(slug: str) -> dg.AssetKey:
    """The asset of what a workflow's actions fill."""
    return dg.AssetKey([WORKFLOWS_PREFIX, slug, "outputs"])


def actions_job_name(slug: str) -> str:
    """The job that runs a workflow's actions over its queue."""
    return f"{slug}_actions"
