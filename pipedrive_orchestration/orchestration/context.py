"""What the definitions of one project share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from pipedrive_orchestration.orchestration.model.loading import ModelAsset
from pipedrive_orchestration.orchestration.resources import (
    PipedriveResource,
    WarehouseResource,
    resources_of,
)
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.pipedrive.object_types import Catalogue
from pipedrive_orchestration.services.dagster_internals import ScheduleStates, location_of
from pipedrive_orchestration.services.deployment import Deployment, store_of
from pipedrive_orchestration.services.names import DEFAULT_NAMES, LOCATION, DagsterNames
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.sources import Source, SourceStore
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.workflows import Workflow
from pipedrive_orchestration.writing.model import Write

PATIENCE_SECONDS = 2.0
"""How long a sensor waits for a database that a run is writing; it looks again a minute later."""

SpecOf = Callable[[dg.AssetSpec, Source | Workflow | ModelAsset | Write], dg.AssetSpec]
"""Makes the spec of an asset out of the one that we give it, and of what it is the asset of."""


def _unchanged(spec: dg.AssetSpec, _: Source | Workflow | ModelAsset | Write) -> dg.AssetSpec:
    return spec


@dataclass(frozen=True, slots=True)
class ProjectContext:
    """The names and surroundings of a project's definitions.

    Attributes:
        settings: the account, the database and the project folder.
        names: what Dagster calls the definitions.
        variables: which variables hold the account's secrets, by field of the settings; the usual ones if not
            named here.
        group: the group of all assets; None groups sources by object type.
        spec_of: has the last word on the spec of every asset.
        catalogue: the object types that its sources can have.
        accounts: how many accounts the code location has.
    """

    settings: Settings = field(default_factory=Settings)
    names: DagsterNames = DEFAULT_NAMES
    variables: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None
    spec_of: SpecOf = _unchanged
    catalogue: Catalogue = field(default_factory=lambda: BUILT_IN)
    accounts: int = 1

    def group_of(self, kind: str) -> str:
        """The group of assets of a kind, such as an object type."""
        return self.group or self.names.group(kind)

    @property
    def folder(self) -> Path:
        """The project folder."""
        return self.settings.project

    @property
    def models_folder(self) -> Path:
        """The folder in which dbt works on the models of this account."""
        return (self.settings.state / self.names.own("models")).absolute()

    def resources(self) -> dict[str, dg.ConfigurableResource[object]]:
        """The account and the database, by the names that the definitions know them by."""
        resources = resources_of(self.settings, self.variables)
        return {self.names.own(name): resource for name, resource in resources.items()}

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

    def looked_at(self, resources: Any) -> Warehouse:
        """The database as a sensor reads it: it waits no longer than `PATIENCE_SECONDS`."""
        return self.warehouse(resources).warehouse().with_patience(PATIENCE_SECONDS)

    def store(self, instance: dg.DagsterInstance) -> SourceStore:
        """The sources, with what an instance remembers of them."""
        return store_of(self.folder, instance, self.names)

    def schedules(self, context: dg.SensorEvaluationContext | dg.OpExecutionContext) -> ScheduleStates:
        """The stored states of the sources' schedules, as a sensor or a run sees them."""
        return ScheduleStates(context.instance, location_of(context) or LOCATION)

    def deployment(self, context: dg.SensorEvaluationContext | dg.OpExecutionContext) -> Deployment:
        """The project folder and its Dagster, as a sensor or a run sees them."""
        return Deployment(
            store=self.store(context.instance),
            instance=context.instance,
            dagster_url=self.settings.dagster_url,
            names=self.names,
            location=location_of(context) or LOCATION,
        )


ALONE = ProjectContext()
"""The context of a project that is alone in its code location."""
