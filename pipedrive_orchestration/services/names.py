"""Dagster's names for the things of an account, in one place: schedules, runs and stored state go by them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

import dagster as dg

LOCATION = "pipedrive_orchestration"
"""The code location of this repository, as workspace.yaml and pyproject.toml name it too."""

DEFAULT_PREFIX = "pipedrive"

ACCOUNT = "account"
"""The last part of the key of the asset that is the account; a reserved slug of `sources`."""

SOURCE_TAG = "pipedrive/source"
"""Tag of an unattended run with its source; at most one such run per source is under way."""
PULL_TAG = "pipedrive/pull"
"""Tag of an unattended run with what it pulls."""
INITIAL_IMPORT_TAG = "pipedrive/initial_import"
"""Tag of a source's first import with the source's id."""
DEVIATION_TAG = "pipedrive/deviates_in"
"""Tag of a run whose config is not what its source says, with the fields that differ."""

_PREFIX = re.compile(
    r"(?!workflow|(?:models?|writes?)(?![a-z0-9]))[a-z][a-z0-9]*(_[a-z0-9]+)*(?<!schedule)(?<!actions)"
)


class PrefixError(ValueError):
    """A prefix under which names could meet; the message says what to write."""

    def __init__(self, prefix: str) -> None:
        super().__init__(
            f"The asset key prefix {prefix!r} cannot be used. Write lower-case letters and digits, in words "
            "joined by one underscore, such as `acme`; not beginning with `workflow`, `models` or "
            "`writes`, nor ending with `schedule` or `actions`."
        )


@dataclass(frozen=True, slots=True)
class DagsterNames:
    """The names of one account's project within a code location.

    Names of two prefixes never meet, whatever slugs the sources have.

    Attributes:
        prefix: the first part of every asset key of the account.

    Raises:
        PrefixError: the prefix cannot be used.
    """

    prefix: str = DEFAULT_PREFIX

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix):
            raise PrefixError(self.prefix)

    @property
    def is_default(self) -> bool:
        """Whether they are the names that an account has which is alone."""
        return self.prefix == DEFAULT_PREFIX

    def group(self, name: str) -> str:
        """The account's group of assets."""
        return name if self.is_default else f"{self.prefix}_{name}"

    def own(self, name: str) -> str:
        """The account's name for a sensor, a job, a pool or a resource."""
        return name if self.is_default else f"{name}__{self.prefix}"

    @property
    def state_key(self) -> str:
        """The key under which the instance keeps snapshots of the project folder."""
        return self.own("ImportSources")

    def asset_key(self, slug: str) -> dg.AssetKey:
        """The asset of a source."""
        return dg.AssetKey([self.prefix, slug])

    def op(self, slug: str) -> str:
        """The op behind a source's asset, under which its run config stands."""
        return f"{self.prefix}__{slug}"

    def schedule(self, slug: str) -> str:
        """The schedule of an active source."""
        return self.own(f"{slug}_schedule")

    def source_tag(self, slug: str) -> str:
        """The value of `SOURCE_TAG` for a source."""
        return slug if self.is_default else f"{self.prefix}/{slug}"

    def initial_import_tag(self, source_id: UUID) -> str:
        """The value of `INITIAL_IMPORT_TAG` for a source."""
        return str(source_id) if self.is_default else f"{self.prefix}/{source_id}"

    @property
    def project_files_key(self) -> dg.AssetKey:
        """The asset that shows which files are left out."""
        return dg.AssetKey("project_files" if self.is_default else [self.prefix, "project", "files"])

    @property
    def account_key(self) -> dg.AssetKey:
        """The asset that is the account itself; no source can have its slug."""
        return dg.AssetKey([self.prefix, ACCOUNT])

    @property
    def status_key(self) -> dg.AssetKey:
        """The asset that shows how the sources are."""
        return dg.AssetKey("status" if self.is_default else [self.prefix, "project", "status"])

    @property
    def workflows_prefix(self) -> list[str]:
        """The beginning of the keys of all workflows."""
        return ["workflows"] if self.is_default else [self.prefix, "workflows"]

    def workflow_key(self, slug: str) -> dg.AssetKey:
        """The asset of a workflow."""
        return dg.AssetKey([*self.workflows_prefix, slug])

    def outputs_key(self, slug: str) -> dg.AssetKey:
        """The asset of what a workflow's actions fill."""
        return dg.AssetKey([*self.workflows_prefix, slug, "outputs"])

    def workflow_op(self, slug: str) -> str:
        """The op behind a workflow's asset."""
        return f"workflows{self._of}__{slug}"

    def outputs_op(self, slug: str) -> str:
        """The op behind the asset of what a workflow's actions fill."""
        return f"workflow_actions{self._of}__{slug}"

    def actions_job(self, slug: str) -> str:
        """The job that runs a workflow's actions over its queue."""
        return self.own(f"{slug}_actions")

    @property
    def models_prefix(self) -> list[str]:
        """The beginning of the keys of all models."""
        return ["models"] if self.is_default else [self.prefix, "models"]

    def model_key(self, name: str) -> dg.AssetKey:
        """The asset of a model."""
        return dg.AssetKey([*self.models_prefix, name])

    @property
    def report_key(self) -> dg.AssetKey:
        """The asset of the report on the models, where no model has that name."""
        return self.model_key("report")

    def write_key(self, slug: str) -> dg.AssetKey:
        """The asset of a write."""
        return dg.AssetKey(["writes", slug] if self.is_default else [self.prefix, "writes", slug])

    def write_op(self, slug: str) -> str:
        """The op behind a write's asset."""
        return f"writes{self._of}__{slug}"

    def write_schedule(self, slug: str) -> str:
        """The schedule of a write."""
        return self.own(f"{slug}_write_schedule")

    def owns(self, key: dg.AssetKey) -> bool:
        """Whether an asset is one of the account's."""
        first = key.path[0]
        if first == self.prefix:
            return True
        others = {"workflows", "models", "writes", *self.project_files_key.path, *self.status_key.path}
        return self.is_default and first in others

    @property
    def _of(self) -> str:
        return "" if self.is_default else f"_of_{self.prefix}"


DEFAULT_NAMES = DagsterNames()
"""The names of an account that is alone in a code location."""
