"""What the definitions of one project share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from pipedrive_orchestration.orchestration.resources import (
    PipedriveResource,
    WarehouseResource,
    resources_of,
)
from pipedrive_orchestration.services.dagster_internals import ScheduleStates
from pipedrive_orchestration.services.deployment import store_of
from pipedrive_orchestration.services.names import DEFAULT_NAMES, DagsterNames
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.sources import Source, SourceStore
from pipedrive_orchestration.workflows import Workflow

SpecOf = Callable[[dg.AssetSpec, Source | Workflow], dg.AssetSpec]
"""Makes the spec of an asset out of the one that we give it, and of what it is the asset of."""


def _unchanged(spec: dg.AssetSpec, _: Source | Workflow) -> dg.AssetSpec:
    return spec


@dataclass(frozen=True, slots=True)
class ProjectContext:
    """The names and surroundings of a project's definitions.

    Attributes:
        settings: the account, the database and the project folder.
        names: what Dagster calls the definitions.
        spec_of: has the last word on the spec of every asset.
    """

    settings: Settings = field(default_factory=Settings)
    names: DagsterNames = DEFAULT_NAMES
    spec_of: SpecOf = _unchanged

    @property
    def folder(self) -> Path:
        """The project folder."""
        return self.settings.project

    def resources(self) -> dict[str, dg.ConfigurableResource[object]]:
        """The account and the database, by the names that the definitions know them by."""
        return {self.names.own(name): resource for name, resource in resources_of(self.settings).items()}

    @property
    def pipedrive_key(self) -> str:
        """The resource that is the account."""
        return self.names.own("pipedrive")

    @property
    def warehouse_key(self) -> str:
        """The resource that is the database."""
        return self.names.own("warehouse")

    def pipedrive(self, resources: Any) -> PipedriveResource:
        """The account, among the resources of a run or a tick."""
        resource: PipedriveResource = getattr(resources, self.pipedrive_key)
        return resource

    def warehouse(self, resources: Any) -> WarehouseResource:
        """The database, among the resources of a run or a tick."""
        resource: WarehouseResource = getattr(resources, self.warehouse_key)
        return resource

    def store(self, instance: dg.DagsterInstance) -> SourceStore:
        """The sources, with what an instance remembers of them."""
        return store_of(self.folder, instance, self.names)

    def schedules(self, instance: dg.DagsterInstance) -> ScheduleStates:
        """The stored states of the sources' schedules."""
        return ScheduleStates(instance, self.names.location)


ALONE = ProjectContext()
"""The context of a project that is alone in its code location."""
