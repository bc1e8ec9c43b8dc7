"""The models of a project folder as far as Dagster shows them, in a form that a snapshot can keep.

dagster-dbt says what becomes of a model and of a test, so `meta.dagster` of a model works as its
documentation says. It is imported when files have changed, and not in each of the processes that load the
code location, for which it would be the largest part of the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from pipedrive_orchestration.models.build import switched_off
from pipedrive_orchestration.models.dbt_project import FOLDER, PROJECT_FILE, DbtProject
from pipedrive_orchestration.models.errors import ModelsError, NoModelsError
from pipedrive_orchestration.models.parse import Parsed, parse_models
from pipedrive_orchestration.models.quality import MODEL, RULES, Rule, rules_in
from pipedrive_orchestration.services.names import DagsterNames
from pipedrive_orchestration.sources import BadFile, Problem, Source
from pipedrive_orchestration.sources.validation import Position

if TYPE_CHECKING:
    from dagster_dbt import DagsterDbtTranslator


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """A test of a model, as a check of its asset."""

    name: str
    unique_id: str
    description: str | None
    blocking: bool


@dataclass(frozen=True, slots=True)
class ModelAsset:
    """A model or seed, as an asset.

    Attributes:
        name: of the table, and the last part of the asset's key.
        unique_id: dbt's name for it.
        deps: keys of the assets above.
        description: its description, with its SQL.
        summary: its description alone.
        columns: descriptions by name, of those columns that have one.
        chart: its ``meta.chart``.
        checks: its tests.
        group: what ``meta.dagster.group`` says.
        owners: what ``meta.dagster.owners`` says.
        tags: dbt's.
        code_version: another one when its SQL is.
        file: its path from the folder of models.
        rules: those of data quality, of the model that applies them.
    """

    name: str
    unique_id: str
    deps: tuple[tuple[str, ...], ...]
    description: str
    summary: str
    columns: dict[str, str]
    chart: dict[str, Any] | None
    checks: tuple[ModelCheck, ...]
    group: str | None
    owners: tuple[str, ...]
    tags: dict[str, str]
    code_version: str | None
    file: str
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadedModels:
    """The models of a project folder.

    Attributes:
        assets: models and seeds, in an order in which each reads earlier ones.
        bad_files: files that are left out.
        switched_off: a sentence for each model that lacks a source.
    """

    assets: tuple[ModelAsset, ...] = ()
    bad_files: tuple[BadFile, ...] = ()
    switched_off: tuple[str, ...] = field(default=())


def load_models(
    folder: Path, sources: Sequence[Source], names: DagsterNames, work: Path, report_zone: str
) -> LoadedModels:
    """The models of a project folder; none where it has none, or where they cannot be read at all.

    Args:
        folder: the project folder.
        sources: its sources.
        names: Dagster's names for them.
        work: a folder of ours, in which what dbt knows is kept.
        report_zone: see `DbtProject`.
    """
    try:
        project = DbtProject.of(folder, sources, report_zone)
        parsed = parse_models(project, work)
        assets = tuple(_assets(parsed, sources, names, _rules(parsed, project)))
    except NoModelsError:
        return LoadedModels()
    except (ModelsError, OSError, dg.DagsterError) as error:
        problem = Problem("", "unreadable", str(error))
        return LoadedModels(bad_files=(BadFile(f"{FOLDER}/{PROJECT_FILE}", FOLDER, (problem,)),))
    bad = tuple(
        BadFile(
            f"{FOLDER}/{one.file}",
            Path(one.file).stem,
            (Problem("", "unreadable", one.message, Position(one.line or 1, 1)),),
        )
        for one in parsed.problems
    )
    return LoadedModels(assets, bad, tuple(map(str, switched_off(project, parsed.manifest))))


def _rules(parsed: Parsed, project: DbtProject) -> tuple[Rule, ...]:
    """The rules of data quality, from the file of their seed."""
    seeds = [node for node in parsed.manifest["nodes"].values() if node["resource_type"] == "seed"]
    files = [project.folder / node["original_file_path"] for node in seeds if node["name"] == RULES]
    return rules_in(files[0].read_text()) if files else ()


def _assets(
    parsed: Parsed, sources: Sequence[Source], names: DagsterNames, rules: tuple[Rule, ...]
) -> Iterator[ModelAsset]:
    nodes = parsed.manifest["nodes"]
    translator = _translator({source.slug for source in sources}, names)
    known = {tuple(names.asset_key(source.slug).path) for source in sources}
    found = [unique_id for unique_id, node in nodes.items() if _is_table(node)]
    known |= {tuple(names.model_key(_table(nodes[unique_id])).path) for unique_id in found}
    for unique_id in found:
        node = nodes[unique_id]
        spec = translator.get_asset_spec(parsed.manifest, unique_id, None)
        checks = [
            translator.get_asset_check_spec(spec, parsed.manifest, child, None)
            for child in parsed.manifest["child_map"].get(unique_id, [])
            if child.startswith("test.")
        ]
        deps = dict.fromkeys(tuple(dep.asset_key.path) for dep in spec.deps)
        yield ModelAsset(
            name=_table(node),
            unique_id=unique_id,
            deps=tuple(dep for dep in deps if dep in known),
            description=spec.description or "",
            summary=node["description"],
            columns={
                name: column["description"]
                for name, column in node["columns"].items()
                if column["description"]
            },
            chart=(node["config"].get("meta") or {}).get("chart"),
            checks=tuple(
                ModelCheck(
                    check.name, check.metadata["dagster_dbt/unique_id"], check.description, check.blocking
                )
                for check in checks
                if check is not None and check.metadata
            ),
            group=None if spec.group_name in (None, "default") else spec.group_name,
            owners=tuple(spec.owners),
            tags={key: value for key, value in spec.tags.items() if not key.startswith("dagster/kind/")},
            code_version=spec.code_version,
            file=node["original_file_path"],
            rules=rules if _table(node) == MODEL else (),
        )


def _translator(slugs: set[str], names: DagsterNames) -> DagsterDbtTranslator:
    # dagster-dbt imports dbt, which takes longer than the rest of the code location.
    from dagster_dbt import DagsterDbtTranslator  # noqa: PLC0415

    class Translator(DagsterDbtTranslator):
        def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
            if dbt_resource_props["resource_type"] == "source":
                slug = dbt_resource_props["identifier"]
                # A table that is no source's is shown by nobody.
                return names.asset_key(slug) if slug in slugs else dg.AssetKey(["ledger", slug])
            return names.model_key(_table(dbt_resource_props))

    return Translator()


def _is_table(node: Mapping[str, Any]) -> bool:
    return (
        node["resource_type"] in ("model", "seed", "snapshot")
        and node["config"]["materialized"] != "ephemeral"
    )


def _table(node: Mapping[str, Any]) -> str:
    return str(node.get("alias") or node["name"])
