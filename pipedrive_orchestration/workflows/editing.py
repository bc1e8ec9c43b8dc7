"""Changing a workflow's file by program without losing what a person wrote around it."""

from __future__ import annotations

from io import StringIO
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from pipedrive_orchestration.workflows.body import Sync


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
