"""The models of a project as its settings name it, and new files for them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pipedrive_orchestration.files import create_content
from pipedrive_orchestration.models.dbt_project import FOLDER, PROJECT_FILE, DbtProject
from pipedrive_orchestration.models.errors import ModelsError, NoModelsError
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.sources import InMemoryKeyValues, SourceStore

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")

_SQL = """\
-- {name}: what this is, in a sentence.
select
  deal_id,
  title,
  value,
  currency
from {{{{ ref('deals_named') }}}}
where status = 'open'
"""

_DESCRIPTION = """\
version: 2

models:
  - name: {name}
    description: What a row is, and what the figures mean.
    columns:
      - name: deal_id
        description: The deal.
        data_tests: [unique, not_null]
"""


@dataclass(frozen=True, slots=True)
class NewModel:
    """The files of a model that has just been made."""

    sql: Path
    description: Path


def project_of(settings: Settings) -> DbtProject:
    """The models of the project folder that the settings name, on its sources.

    Raises:
        NoModelsError: it has none.
    """
    sources = SourceStore(settings.project, InMemoryKeyValues()).load().sources
    return DbtProject.of(settings.project, sources, settings.report_zone)


def work_folder(settings: Settings) -> Path:
    """The folder in which dbt works."""
    return (settings.state / "models").absolute()


def report_file(work: Path) -> Path:
    """The page that the asset of the report writes; takes the folder in which dbt works."""
    return work / "report.html"


def new_model(project: Path, name: str) -> NewModel:
    """Make the files of a new model, as an example to change.

    Raises:
        ModelsError: the name cannot be that of a model, or is taken.
        NoModelsError: the project has no models.
        OSError: the folder cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise ModelsError(
            f"{name!r} cannot be the name of a model: small letters, digits and _, a letter first."
        )
    folder = project / FOLDER
    if not (folder / PROJECT_FILE).is_file():
        raise NoModelsError(folder)
    models = folder / "models"
    taken = [path for path in models.rglob(f"{name}.*") if path.suffix in (".sql", ".py", ".yml")]
    if taken:
        raise ModelsError(f"There is a model {name} already: {taken[0]}.")
    made = NewModel(models / f"{name}.sql", models / f"{name}.yml")
    create_content(made.sql, _SQL.format(name=name).encode(), mode=0o644)
    create_content(made.description, _DESCRIPTION.format(name=name).encode(), mode=0o644)
    return made
