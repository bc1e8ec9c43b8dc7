"""The object types of a project's own: trying one on the account, and completing its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from ruamel.yaml import YAML

from pipedrive_orchestration.files import replace_content
from pipedrive_orchestration.importing.proposal import Proposal, propose_properties
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.object_types import Catalogue
from pipedrive_orchestration.sources import InvalidBodyError, Problem, read_file
from pipedrive_orchestration.sources.object_types import ObjectTypeDraft, ObjectTypeFile, ObjectTypeStore
from pipedrive_orchestration.sources.validation import did_you_mean
from pipedrive_orchestration.sources.yaml_document import Document
from pipedrive_orchestration.sources.yaml_files import locate


class NoObjectTypeError(LookupError):
    """No file of that name."""


@dataclass(frozen=True, slots=True)
class Trial:
    """An object type that was tried.

    Attributes:
        path: its file.
        known: the properties that the file names already, with their types.
        proposal: what the account showed.
    """

    path: Path
    known: Mapping[str, str]
    proposal: Proposal

    @property
    def new(self) -> dict[str, str]:
        """The properties that the file does not name yet."""
        return {key: kind for key, kind in self.proposal.properties.items() if key not in self.known}


def try_object_type(project: Path, name: str, *, connection: Connection) -> Trial:
    """Read one page of an object type that a file of the project describes.

    Args:
        project: the project folder.
        name: of the file, which need not name properties yet.
        connection: the account.

    Raises:
        NoObjectTypeError: there is no such file.
        InvalidBodyError: the file, but for its properties; names everything that is wrong.
        PipedriveError: the account cannot be read, or refuses what the file says.
    """
    store = ObjectTypeStore(project)
    path = store.folder / f"{name}.yaml"
    if not path.is_file():
        raise NoObjectTypeError(f"There is no file {path}: write one with `path` and `tokens`.")
    known: dict[str, str] = {}

    def parse(content: object) -> ObjectTypeDraft:
        if not isinstance(content, Mapping):
            return ObjectTypeDraft.parse(content)
        if content.get("properties"):
            known.update(ObjectTypeFile.parse(content).properties)
        of_properties = ObjectTypeFile.model_fields.keys() - ObjectTypeDraft.model_fields.keys()
        return ObjectTypeDraft.parse({key: one for key, one in content.items() if key not in of_properties})

    draft, catalogue = read_file(path, parse), store.load().catalogue
    _refuse_unknown_parent(path, draft, catalogue)
    return Trial(path, known, propose_properties(name, draft, catalogue, connection=connection))


def _refuse_unknown_parent(path: Path, draft: ObjectTypeDraft, catalogue: Catalogue) -> None:
    if draft.parent is None or draft.parent.object_type in catalogue:
        return
    parent = draft.parent.object_type
    message = f"`{parent}` is not an object type that could be read.{did_you_mean(parent, catalogue)}"
    raise InvalidBodyError(locate(path, [Problem("parent.object_type", "unknown_object_type", message)]))


def add_properties(path: Path, properties: Mapping[str, str]) -> None:
    """Write properties into the file of an object type; comments and everything else stay as they are.

    Raises:
        InvalidBodyError: the file would not be an object type then; it is as it was.
        OSError: the file cannot be written; it is as it was.
    """
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 110
    content = editor.load(path.read_text(encoding="utf-8"))
    if not content.get("properties"):
        content["properties"] = {}
    content["properties"].update(properties)
    changed = StringIO()
    editor.dump(content, changed)
    ObjectTypeFile.parse(Document.parse(changed.getvalue()).content)
    replace_content(path, changed.getvalue().encode(), mode=path.stat().st_mode & 0o777)
