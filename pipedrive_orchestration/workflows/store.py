"""The files of workflows, which a program changes without losing what a person wrote around it."""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from pipedrive_orchestration.files import locked, replace_content
from pipedrive_orchestration.sources import BadFile
from pipedrive_orchestration.sources.yaml_document import Document
from pipedrive_orchestration.sources.yaml_files import YamlFolder, found, with_id
from pipedrive_orchestration.workflows.model import Sync, Workflow, WorkflowFile


def with_sync(text: str, sync: Sync) -> str:
    """The text of a file with a sync added, or in place of the one of the same source.

    Comments and the order of everything else stay as they are.
    """
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 110
    editor.indent(mapping=2, sequence=4, offset=2)
    content = editor.load(text)
    syncs = content.get("syncs")
    if syncs is None:
        syncs = content["syncs"] = []
    written = _written(sync.model_dump(mode="json", exclude_defaults=True))
    same = [other for other in syncs if other.get("source") == sync.source]
    if same:
        _rewrite(same[0], written)
    else:
        syncs.append(written)
    changed = StringIO()
    editor.dump(content, changed)
    return changed.getvalue()


def _rewrite(mapping: dict[str, Any], content: dict[str, Any]) -> None:
    # A comment belongs to the key before it, so keys that stay must not be written anew.
    for key in [key for key in mapping if key not in content]:
        del mapping[key]
    for key, value in content.items():
        if mapping.get(key) != value:
            mapping[key] = value


def _written(value: Any) -> Any:
    if isinstance(value, dict):
        return {_written(key): _written(member) for key, member in value.items()}
    # What YAML 1.1 would read as something else, such as a source called `on`.
    if isinstance(value, str) and not _reads_back(value):
        return DoubleQuotedScalarString(value)
    return value


def _reads_back(text: str) -> bool:
    try:
        return bool(yaml.safe_load(text) == text)
    except yaml.YAMLError:
        return False


_LOCK_TIMEOUT_SECONDS = 10.0


class UnknownWorkflowError(LookupError):
    """A workflow that is not there, by slug or id."""


@dataclass(frozen=True, slots=True)
class LoadedWorkflows:
    """The content of the folder: the workflows by slug, and the files that are left out."""

    workflows: tuple[Workflow, ...] = ()
    bad_files: tuple[BadFile, ...] = ()

    def find(self, slug: str) -> Workflow:
        """The workflow of that slug.

        Raises:
            InvalidBodyError: Its file is there and is not a workflow.
            UnknownWorkflowError: There is no such file; names the near matches.
        """
        return found("workflow", slug, self.workflows, self.bad_files, UnknownWorkflowError)

    def with_id(self, id_: UUID) -> Workflow:
        """The workflow of that id.

        Raises:
            UnknownWorkflowError: There is none.
        """
        return with_id("workflow", id_, self.workflows, UnknownWorkflowError)


class WorkflowStore:
    """The workflows of a project folder.

    Args:
        project: The project folder; its workflows are ``workflows/<slug>.yaml``.
    """

    def __init__(self, project: Path | str) -> None:
        self.folder = Path(project) / "workflows"
        self._files = YamlFolder(self.folder, "workflow")

    def load(self) -> LoadedWorkflows:
        """Reads every file; a bad one is reported and never keeps the others from loading."""
        read, bad_files = self._files.read(WorkflowFile.parse)
        originals, copies = self._files.without_copies(
            [Workflow.of(slug, file) for slug, file in read.items()]
        )
        return LoadedWorkflows(tuple(originals), (*bad_files, *copies))

    def save_sync(self, slug: str, sync: Sync) -> Workflow:
        """Writes a sync into a workflow's file, in place of the one of the same source if there is one.

        The same sync again changes nothing. A reader sees the file as it was or as it is then.

        Args:
            slug: The workflow.
            sync: What `parse_sync` found right.

        Returns:
            The workflow as its file then says it.

        Raises:
            UnknownWorkflowError: There is no such file.
            InvalidBodyError: The file is not a workflow.
            OSError: The folder cannot be written, or another process is writing there for 10 seconds;
                the file is as it was.
        """
        known = self.load().find(slug)
        if known.sync_of(sync.source) == sync:
            return known
        path = self._files.file_of(slug)
        with locked(path, _LOCK_TIMEOUT_SECONDS):
            self.load().find(slug)
            text = with_sync(path.read_text(encoding="utf-8-sig"), sync)
            after = Workflow.of(slug, WorkflowFile.parse(Document.parse(text).content))
            replace_content(path, text.encode(), mode=0o644)
        return after
