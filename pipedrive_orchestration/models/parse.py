"""What dbt knows of the models without a database, read anew when a file or a source has changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipedrive_orchestration.files import make_private_folder, replace_content
from pipedrive_orchestration.models.build import in_turn
from pipedrive_orchestration.models.dbt import Problem, run_dbt
from pipedrive_orchestration.models.dbt_project import DbtProject

KEPT = "parsed.json"
_PARTS = ("metadata", "nodes", "sources", "disabled", "parent_map", "child_map", "groups")
"""What is kept of a manifest; most of it are macros."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """The models as dbt reads them.

    Attributes:
        manifest: dbt's, without macros.
        problems: files that cannot be read, which are left out.
    """

    manifest: Mapping[str, Any]
    problems: tuple[Problem, ...]


def parse_models(project: DbtProject, work: Path) -> Parsed:
    """What dbt knows of a project, from the last time if nothing has changed since.

    Args:
        project: the models.
        work: a folder of ours, where it is kept.

    Raises:
        ModelsError: dbt cannot be used, or what is wrong lies in no file that could be left out.
        OSError: the folder cannot be written.
    """
    fingerprint = project.fingerprint()
    kept = _kept(work / KEPT, fingerprint)
    if kept is not None:
        return kept
    make_private_folder(work)
    with in_turn(work / "parse"):
        kept = _kept(work / KEPT, fingerprint)
        if kept is not None:
            return kept
        outcome = run_dbt(project, work / "parse" / "project", ":memory:", ["parse"])
        parsed = Parsed({part: outcome.manifest.get(part, {}) for part in _PARTS}, outcome.problems)
        content = {
            "fingerprint": fingerprint,
            "manifest": parsed.manifest,
            "problems": [[one.file, one.line, one.message] for one in parsed.problems],
        }
        replace_content(work / KEPT, json.dumps(content).encode(), mode=0o600)
    return parsed


def _kept(file: Path, fingerprint: str) -> Parsed | None:
    try:
        content = json.loads(file.read_bytes())
        if content["fingerprint"] != fingerprint:
            return None
        return Parsed(content["manifest"], tuple(Problem(*one) for one in content["problems"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
