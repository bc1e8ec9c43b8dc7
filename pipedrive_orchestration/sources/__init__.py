"""What a user configures: sources as YAML files, strictly read.

`SourceStore` reads and writes the project folder, `SourceBody` is the body that a user posts or writes, and
`Source` is a body with its identity. `PreviewBody` is what a preview takes of it.
"""

from pipedrive_orchestration.sources.cron import InvalidCronError, longest_gap, next_ticks, parse_cron
from pipedrive_orchestration.sources.filter_model import FilterGroup, FilterLeaf
from pipedrive_orchestration.sources.holds import Hold
from pipedrive_orchestration.sources.key_values import InMemoryKeyValues, KeyValues
from pipedrive_orchestration.sources.model import (
    USUAL_PRIORITY,
    Options,
    PreviewBody,
    Priority,
    PropertyLabel,
    PropertyOption,
    Source,
    SourceBody,
    draft_of,
    is_expired,
)
from pipedrive_orchestration.sources.old_files import OldFileError
from pipedrive_orchestration.sources.store import LoadedSources, SourceStore, UnknownSourceError
from pipedrive_orchestration.sources.validation import InvalidBodyError, Position, Problem
from pipedrive_orchestration.sources.yaml_files import BadFile, read_file

__all__ = [
    "USUAL_PRIORITY",
    "BadFile",
    "FilterGroup",
    "FilterLeaf",
    "Hold",
    "InMemoryKeyValues",
    "InvalidBodyError",
    "InvalidCronError",
    "KeyValues",
    "LoadedSources",
    "OldFileError",
    "Options",
    "Position",
    "PreviewBody",
    "Priority",
    "Problem",
    "PropertyLabel",
    "PropertyOption",
    "Source",
    "SourceBody",
    "SourceStore",
    "UnknownSourceError",
    "draft_of",
    "is_expired",
    "longest_gap",
    "next_ticks",
    "parse_cron",
    "read_file",
]
