"""The component that turns a snapshot of the project folder into definitions.

A snapshot is taken whenever the code location is loaded or refreshed. A run loads the snapshot it was
launched with, so that a source which changes or goes while its run is under way does not break it.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Self

import dagster as dg
from dagster.components import DefsStateConfig, DefsStateConfigArgs
from pydantic import BaseModel, Field, PositiveInt, PrivateAttr, model_validator

from pipedrive_orchestration.orchestration.attributes import (
    ConnectionAttributes,
    Prefix,
    WarehouseAttributes,
    text,
)
from pipedrive_orchestration.orchestration.context import ProjectContext
from pipedrive_orchestration.orchestration.model.loading import ModelAsset
from pipedrive_orchestration.orchestration.project_definitions import ProjectSnapshot, build_definitions
from pipedrive_orchestration.orchestration.scaffolder import ProjectScaffolder
from pipedrive_orchestration.services.dagster_internals import (
    assets_of_this_run,
    forget_old_snapshots,
    fork_runs,
    instance_of_load,
    is_first_load,
    pin_snapshot,
    stored_snapshot,
)
from pipedrive_orchestration.services.names import DEFAULT_PREFIX, DagsterNames
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.workflows import Workflow
from pipedrive_orchestration.writing.model import Write

_RUN_MODULES = "pipedrive_orchestration.orchestration.run_modules"


@dg.scaffold_with(ProjectScaffolder)
class PipedriveProject(dg.StateBackedComponent, dg.Model, dg.Resolvable):
    """A Pipedrive account in DuckDB: the sources and workflows of a project folder, as Dagster's definitions.

    What an attribute does not say, the variables do that the command line and the HTTP API go by, such as
    PIPEDRIVE_API_TOKEN; so a project that is alone needs no attributes at all. Each further account in a code
    location has an asset key prefix of its own, and with it a project folder and a database:

        type: pipedrive_orchestration.PipedriveProject
        attributes:
          project: pipedrive/acme
          asset_key_prefix: acme
          connection:
            api_token: "{{ env.ACME_PIPEDRIVE_API_TOKEN }}"
          warehouse:
            database: data/acme.duckdb

    Override get_asset_spec in a subclass to change what Dagster shows of an asset.
    """

    project: Annotated[
        str | None,
        text("The project folder with sources/ and workflows/, from the dg project.", "pipedrive/acme"),
    ] = None
    asset_key_prefix: Prefix = DEFAULT_PREFIX
    connection: Annotated[
        ConnectionAttributes | None, dg.Resolver.default(description="The Pipedrive account.")
    ] = None
    warehouse: Annotated[WarehouseAttributes | None, dg.Resolver.default(description="The database.")] = None
    windows_per_run: Annotated[
        PositiveInt | None,
        dg.Resolver.default(
            model_field_type=int | None,
            description="How many windows one run of a backfill reads; all of them if not given.",
            examples=[6],
        ),
    ] = None
    group_name: Annotated[
        str | None, text("The group of all assets; sources are grouped by object type if not given.", "crm")
    ] = None
    owners: Annotated[
        list[str],
        dg.Resolver.default(
            description="Owners of all assets, beside those of a source's file.", examples=[["team:crm"]]
        ),
    ] = Field(default_factory=list)
    tags: Annotated[
        dict[str, str],
        dg.Resolver.default(description="Tags of all assets.", examples=[{"account": "acme"}]),
    ] = Field(default_factory=dict)

    _root: Path = PrivateAttr(default_factory=Path.cwd)
    _tree: dg.ComponentTree | None = PrivateAttr(default=None)

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """Makes the component of its attributes, as the framework asks for it."""
        component = super().load(attributes, context)
        component._root, component._tree = context.project_root, context.component_tree  # noqa: SLF001
        return component

    @classmethod
    def without_attributes(cls, context: dg.ComponentLoadContext) -> Self:
        """The component for a function that is marked as a ``component_instance``; see `load`."""
        component = cls()
        component._root, component._tree = context.project_root, context.component_tree
        context.component_tree.mark_component_defs_state_key(
            loc=context.component_loc, defs_state_key=component.defs_state_config.key
        )
        return component

    @model_validator(mode="after")
    def _check_that_accounts_do_not_meet(self) -> Self:
        if self.project is None and not DagsterNames(self.asset_key_prefix).is_default:
            raise ValueError("Name the `project` folder, since an account with a prefix has its own.")
        return self

    def get_asset_spec(
        self,
        spec: dg.AssetSpec,
        definition: Source | Workflow | ModelAsset | Write,  # noqa: ARG002 - for those who override it
    ) -> dg.AssetSpec:
        """The spec of an asset, made of the one that would be shown otherwise.

        Override it in a subclass to change description, tags, metadata and the like. The key stays as it is:
        runs, schedules and stored state go by it.

        Args:
            spec: with the attributes of the component and of the file.
            definition: the source, workflow, model or write whose asset it is.
        """
        return spec

    @property
    def defs_state_config(self) -> DefsStateConfig:
        """Where snapshots are kept: in the instance, each with a version."""
        names = DagsterNames(self.asset_key_prefix)
        return DefsStateConfig.from_args(
            DefsStateConfigArgs.versioned_state_storage(), default_key=names.state_key
        )

    def write_state_to_path(self, state_path: Path) -> None:
        """Takes a snapshot of the project folder."""
        state_path.write_bytes(self._snapshot().content())

    def build_defs_from_state(
        self,
        context: dg.ComponentLoadContext,  # noqa: ARG002 - the framework's signature
        state_path: Path | None,
    ) -> dg.Definitions:
        """Builds the definitions of a snapshot, or of the folder where there is none."""
        snapshot = ProjectSnapshot.parse(state_path.read_bytes()) if state_path else self._snapshot()
        project, wanted = self._context(), assets_of_this_run()
        if wanted is not None and not any(map(project.names.owns, wanted)):
            return dg.Definitions()
        return build_definitions(
            snapshot.sources, snapshot.workflows, project, snapshot.models, snapshot.writes, wanted
        )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Builds the definitions, of a new snapshot unless a run asks for the one it is pinned to.

        Dagster itself takes a new snapshot in its development server only; elsewhere a reload would
        go on showing the last one.
        """
        self._refuse_to_meet(self._projects())
        if instance_of_load() is None:
            return self.build_defs_from_state(context, None)
        if is_first_load():
            fork_runs(_RUN_MODULES)
            pin_snapshot(self.defs_state_config.key, asyncio.run(self.refresh_state(context.project_root)))
        return super().build_defs(context)

    async def refresh_state(self, project_root: Path) -> str:
        """Stores a new snapshot, unless the latest one still tells the truth; returns its version.

        Of the earlier ones those are deleted that are neither new nor among the last.
        """
        latest = stored_snapshot(self.defs_state_config.key)
        if latest and latest[1] == self._snapshot().content():
            return latest[0]
        version = await super().refresh_state(project_root)
        forget_old_snapshots(self.defs_state_config.key, datetime.now(UTC))
        return version

    def _projects(self) -> Sequence["PipedriveProject"]:
        """The accounts of the code location, this one among them."""
        return self._tree.get_all_components(PipedriveProject) if self._tree is not None else [self]

    def _refuse_to_meet(self, projects: Sequence["PipedriveProject"]) -> None:
        """Raise an error if another account of the code location has the same names or the same database."""
        for other in projects:
            if other is self:
                continue
            if other.asset_key_prefix == self.asset_key_prefix:
                raise ValueError(
                    f"Two projects have the asset_key_prefix `{self.asset_key_prefix}`; give each its own."
                )
            database = self._settings().warehouse
            if other._settings().warehouse == database:  # noqa: SLF001 - of the same class
                raise ValueError(
                    f"The accounts `{self.asset_key_prefix}` and `{other.asset_key_prefix}` have the same "
                    f"database, {database}; give each its own, since both write the schema `pipedrive`."
                )

    def _snapshot(self) -> ProjectSnapshot:
        return ProjectSnapshot.read(self._context(), instance_of_load())

    def _context(self) -> ProjectContext:
        return ProjectContext(
            settings=self._settings(),
            names=DagsterNames(self.asset_key_prefix),
            variables=self.connection.variables() if self.connection else {},
            group=self.group_name,
            spec_of=self._spec_of,
            accounts=len(self._projects()),
        )

    def _settings(self) -> Settings:
        """The settings of the environment, with what the attributes say in their place."""
        given: dict[str, object] = {}
        if not DagsterNames(self.asset_key_prefix).is_default:
            given |= WarehouseAttributes(database=f"data/{self.asset_key_prefix}.duckdb").settings()
        if self.project is not None:
            given["project"] = self.project
        if self.windows_per_run is not None:
            given["windows_per_run"] = self.windows_per_run
        given |= self.connection.settings() if self.connection else {}
        given |= self.warehouse.settings() if self.warehouse else {}
        whole = Settings.model_validate(given).from_folder(self._root)
        return Settings.read().but(**{field: getattr(whole, field) for field in given})

    def _spec_of(
        self, spec: dg.AssetSpec, definition: Source | Workflow | ModelAsset | Write
    ) -> dg.AssetSpec:
        owners = [owner for owner in self.owners if owner not in spec.owners]
        changed = self.get_asset_spec(spec.merge_attributes(owners=owners, tags=self.tags), definition)
        if changed.key != spec.key:
            raise ValueError(
                f"The key of {spec.key.to_user_string()} cannot be changed by get_asset_spec; give the "
                "component another asset_key_prefix."
            )
        return changed
