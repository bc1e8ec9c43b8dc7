"""The dbt project of a project folder, completed by what the project's sources say.

Nothing in the user's folder is changed. dbt works in a copy of it, in which the list of sources, the profile
and the variables are ours.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from pipedrive_orchestration.files import make_private_folder
from pipedrive_orchestration.models.errors import ModelsError, NoModelsError
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.sources.whole import whole_sources

FOLDER = "models"
"""The folder of models in a project folder."""

SCHEMA = "models"
"""The schema of their tables in the warehouse."""

PROJECT_FILE = "dbt_project.yml"
SOURCES_FILE = Path("models") / "sources.yml"
PROFILES_FILE = "profiles.yml"

TYPES = (
    "activities", "deal_changes", "deals", "leads", "organizations", "persons", "pipelines", "stages",
    "users",
)  # fmt: skip
"""Object types whose whole source the shipped models ask for, each by a variable of its name."""

_NOT_COPIED = {"target", "logs", "dbt_packages", ".user.yml"}
_SYSTEM_COLUMNS = {
    "_id": "Pipedrive's id",
    "_update_time": "When Pipedrive last changed the record",
    "_is_archived": "Whether the record is archived at Pipedrive",
    "_is_current": "Whether the record belongs to the source now",
    "_removal": "Why not: deleted, merged, archived, left_segment or invisible",
}


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of the dbt project: its path from the folder of models, and its content."""

    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class DbtProject:
    """The models of a project and the sources they can read.

    Attributes:
        folder: the user's folder, with ``dbt_project.yml``.
        sources: those of the project.
        report_zone: the time zone of days and months.
    """

    folder: Path
    sources: tuple[Source, ...]
    report_zone: str = "UTC"

    @classmethod
    def of(cls, project: Path, sources: Iterable[Source], report_zone: str = "UTC") -> DbtProject:
        """The models of a project folder.

        Raises:
            NoModelsError: it has none.
        """
        folder = project / FOLDER
        if not (folder / PROJECT_FILE).is_file():
            raise NoModelsError(folder)
        return cls(folder, tuple(sources), report_zone)

    def files(self) -> Iterator[ModelFile]:
        """The user's files, without what dbt leaves behind."""
        for path in sorted(self.folder.rglob("*")):
            relative = path.relative_to(self.folder)
            if path.is_file() and not _NOT_COPIED & set(relative.parts) and not relative.name.startswith("."):
                yield ModelFile(str(relative), path.read_bytes())

    @property
    def variables(self) -> dict[str, str]:
        """Dbt's variables: for each type the slug of the source that is whole, or nothing; and the zone."""
        whole = whole_sources(self.sources)
        slugs = {name: whole[name].slug if name in whole else "" for name in TYPES}
        return {**slugs, "report_zone": self.report_zone}

    def fingerprint(self) -> str:
        """A text that is another one when a file of the models, a source, or a program that reads them is."""
        digest = hashlib.sha256()
        for file in self.files():
            for part in (file.path.encode(), file.content):
                digest.update(len(part).to_bytes(8, "big") + part)
        programs = [version(name) for name in ("dbt-core", "dbt-duckdb", "duckdb")]
        rest = [self.listed_sources(), self.variables, programs]
        digest.update(json.dumps(rest, sort_keys=True).encode())
        return digest.hexdigest()

    def lay_out(self, work: Path, database: Path | str, *, without: Sequence[str] = ()) -> None:
        """Make a copy that dbt can work in.

        Args:
            work: the folder of the copy; what is not of the project any more goes.
            database: the database that dbt is to work on.
            without: paths of files that are left out.

        Raises:
            OSError: the folder cannot be written.
            ModelsError: ``dbt_project.yml`` cannot be read.
        """
        make_private_folder(work)
        wanted = {file.path: file.content for file in self.files() if file.path not in without}
        wanted[str(SOURCES_FILE)] = _dumped(self.listed_sources())
        wanted[PROFILES_FILE] = _dumped({self._profile_name(): _profile(database)})
        for path in sorted(work.rglob("*"), reverse=True):
            relative = path.relative_to(work)
            if relative.parts[0] in _NOT_COPIED:
                continue
            if path.is_file() and str(relative) not in wanted:
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        for name, content in wanted.items():
            path = work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_file() or path.read_bytes() != content:
                path.write_bytes(content)
        packages = self.folder / "dbt_packages"
        if packages.is_dir():
            shutil.copytree(packages, work / "dbt_packages", dirs_exist_ok=True)

    def listed_sources(self) -> dict[str, Any]:
        """``sources.yml``: every source with its columns, and those with history."""
        return {
            "version": 2,
            "sources": [
                {
                    "name": "pipedrive",
                    "description": "One table for each source of the project.",
                    "schema": "pipedrive",
                    "tables": [_listed(source) for source in self.sources],
                },
                {
                    "name": "pipedrive_history",
                    "description": "Every version of the records of sources with `history`.",
                    "schema": "pipedrive_history",
                    # Whether versions are kept, the models see from the database.
                    "tables": [{"name": source.slug} for source in self.sources],
                },
                {"name": "import_ledger", "schema": "import_ledger", "tables": [{"name": "option_labels"}]},
            ],
        }

    def _profile_name(self) -> str:
        try:
            content = yaml.safe_load((self.folder / PROJECT_FILE).read_text())
        except yaml.YAMLError as error:
            raise ModelsError(f"{self.folder / PROJECT_FILE} cannot be read: {error}") from None
        name = content.get("profile") if isinstance(content, dict) else None
        if not isinstance(name, str):
            raise ModelsError(f"{self.folder / PROJECT_FILE} names no profile: add `profile: pipedrive`.")
        return name


def variables_argument(variables: Mapping[str, str]) -> str:
    """Variables as dbt's command line takes them."""
    return json.dumps(dict(variables))


def _listed(source: Source) -> dict[str, Any]:
    labels = {one.key: one.label for one in source.type.properties}
    columns = {**_SYSTEM_COLUMNS, **{key: labels.get(key, key) for key in source.properties}}
    return {
        "name": source.slug,
        "description": f"{source.name} ({source.object_type})",
        "columns": [{"name": name, "description": text} for name, text in columns.items()],
    }


def _profile(database: Path | str) -> dict[str, Any]:
    return {
        "target": "warehouse",
        "outputs": {
            "warehouse": {
                "type": "duckdb",
                "path": str(database),
                "schema": SCHEMA,
                "threads": 1,
                # DuckDB is not to fetch anything by itself.
                "config_options": {
                    "autoinstall_known_extensions": False,
                    "autoload_known_extensions": False,
                },
                "settings": {
                    "TimeZone": "UTC",
                    "memory_limit": "640MB",
                    "preserve_insertion_order": False,
                },
            }
        },
    }


def _dumped(content: Any) -> bytes:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode()
