"""What a user configures: sources as YAML files, strictly read.

`SourceStore` reads and writes the project folder, `SourceBody` is the body that a user posts or
writes, and `Source` is a body with its identity.
"""

from pipedrive_orchestration.sources.body import Options, PropertyLabel, PropertyOption, SourceBody
from pipedrive_orchestration.sources.cron import InvalidCronError, next_ticks, parse_cron
from pipedrive_orchestration.sources.filter_leaf import FilterLeaf
from pipedrive_orchestration.sources.filters import FilterGroup
from pipedrive_orchestration.sources.first_seen import FirstSeenError
from pipedrive_orchestration.sources.holds import Hold, HoldsError
from pipedrive_orchestration.sources.problems import InvalidBodyError, Problem
from pipedrive_orchestration.sources.reading import read_body
from pipedrive_orchestration.sources.source import Source, is_expired
from pipedrive_orchestration.sources.store import LoadedSources, SourceStore, UnknownSourceError
from pipedrive_orchestration.sources.yaml_folder import BadFile

__all__ = [
    "BadFile",
    "FilterGroup",
    "FilterLeaf",
    "FirstSeenError",
    "Hold",
    "HoldsError",
    "InvalidBodyError",
    "InvalidCronError",
    "LoadedSources",
    "Options",
    "Problem",
    "PropertyLabel",
    "PropertyOption",
    "Source",
    "SourceBody",
    "SourceStore",
    "UnknownSourceError",
    "is_expired",
    "next_ticks",
    "parse_cron",
    "read_body",
]
