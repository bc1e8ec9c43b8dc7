"""What ``dg scaffold defs`` makes for a project."""

from pathlib import Path

import dagster as dg
from pydantic import BaseModel, Field

from pipedrive_orchestration.services.names import DagsterNames

FIRST_SOURCE = """\
# A source. The file's name is its slug: the asset is {prefix}/deals, the table pipedrive.deals.
name: Deals
object_type: deals
properties: [title, value, currency, status, stage_id]
pull_mode: active
schedule: "*/30 * * * *"
"""


class ProjectScaffoldParams(BaseModel):
    """What the command can be told."""

    asset_key_prefix: str | None = Field(
        default=None, description="Begins every asset key; the name of the new folder if not given."
    )
    project: str | None = Field(
        default=None, description="The project folder to be; one below pipedrive/ if not given."
    )


class ProjectScaffolder(dg.Scaffolder[ProjectScaffoldParams]):
    """Makes the file of a component and, where there is none, a project folder with a first source."""

    @classmethod
    def get_scaffold_params(cls) -> type[ProjectScaffoldParams]:
        """The options of the command."""
        return ProjectScaffoldParams

    def scaffold(self, request: dg.ScaffoldRequest[ProjectScaffoldParams]) -> None:
        """Write the files.

        Raises:
            PrefixError: names could meet under the prefix.
        """
        params = request.params
        name = request.target_path.name
        names = DagsterNames(params.asset_key_prefix or name)
        project = params.project or f"pipedrive/{name}"
        token = "PIPEDRIVE_API_TOKEN" if names.is_default else f"{names.prefix.upper()}_PIPEDRIVE_API_TOKEN"
        attributes = {
            "project": project,
            "asset_key_prefix": names.prefix,
            "connection": {"api_token": f"{{{{ env.{token} }}}}"},
            "warehouse": {"database": f"data/{names.prefix}.duckdb"},
        }
        dg.scaffold_component(request, attributes)
        sources = (request.project_root or Path.cwd()) / project / "sources"
        if not sources.exists():
            sources.mkdir(parents=True)
            (sources / "deals.yaml").write_text(FIRST_SOURCE.format(prefix=names.prefix), encoding="utf-8")
