"""The report on the models as an asset below them."""

from collections.abc import Sequence

import dagster as dg

from pipedrive_orchestration.files import make_private_folder, replace_content
from pipedrive_orchestration.models.errors import ModelsError
from pipedrive_orchestration.models.report import ORDER, make_report
from pipedrive_orchestration.models.store import report_file
from pipedrive_orchestration.orchestration.context import ALONE, ProjectContext
from pipedrive_orchestration.orchestration.failures import foreseen
from pipedrive_orchestration.orchestration.model.automation import FOLLOW
from pipedrive_orchestration.orchestration.model.loading import ModelAsset
from pipedrive_orchestration.services.report_page import PATH
from pipedrive_orchestration.warehouse import WarehouseError


def report_definitions(
    models: Sequence[ModelAsset], group: str, project: ProjectContext = ALONE
) -> dg.Definitions:
    """The asset of the report; none where no model is shown in it.

    Args:
        models: those of the project.
        group: the group of their assets.
        project: whose they are.
    """
    names = project.names
    shown = [model for model in models if is_in_report(model)]
    if not shown or any(model.name == "report" for model in models):
        return dg.Definitions()

    @dg.asset(
        key=names.report_key,
        deps=[names.model_key(model.name) for model in shown],
        description="The charts and tables of the models on one page of HTML, which needs no network. "
        f"`dev` shows it at `{PATH}`, and so does `serve`; the command `report` writes it anywhere.",
        group_name=group,
        kinds={"html"},
        automation_condition=FOLLOW,
        required_resource_keys={project.warehouse_key},
        metadata=link_of(project),
    )
    def report(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        warehouse = project.warehouse(context.resources).warehouse()
        file = report_file(project.models_folder)
        with foreseen(ModelsError, WarehouseError, OSError):
            made = make_report(warehouse, report_zone=project.settings.report_zone)
            content = made.html.encode()
            make_private_folder(file.parent)
            # Names and figures of the account are for whoever runs Dagster.
            replace_content(file, content, mode=0o600)
        return dg.MaterializeResult(
            metadata={
                **link_of(project),
                "file": dg.MetadataValue.path(file),
                "as_of": dg.MetadataValue.timestamp(made.as_of),
                "models": dg.MetadataValue.int(len(made.models)),
                "charts": dg.MetadataValue.int(made.charts),
                "rows": dg.MetadataValue.int(made.rows),
                "bytes": dg.MetadataValue.int(len(content)),
            }
        )

    return dg.Definitions(assets=[report])


def is_in_report(model: ModelAsset) -> bool:
    """Whether the report has a section for a model."""
    return model.name in ORDER or model.chart is not None


def link_of(project: ProjectContext, model: ModelAsset | None = None) -> dict[str, dg.MetadataValue]:
    """A link to the report, or to its section of a model.

    `dev` shows the report of the project that it was started on, so other accounts have none.
    """
    if not project.names.is_default or (model is not None and not is_in_report(model)):
        return {}
    section = f"#{model.name}" if model else ""
    return {"report": dg.MetadataValue.url(f"{PATH}{section}")}
