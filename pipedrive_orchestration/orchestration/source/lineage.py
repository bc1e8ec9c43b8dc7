"""What a source's asset lies below: the account, its parents, and what its references point to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import dagster as dg

from pipedrive_orchestration.pipedrive.object_types import ObjectType
from pipedrive_orchestration.pipedrive.references import REFERENCED
from pipedrive_orchestration.services.names import DagsterNames
from pipedrive_orchestration.sources import Source

_ORDER = (
    "users",
    "pipelines",
    "stages",
    "lead_labels",
    "organizations",
    "persons",
    "products",
    "leads",
    "deals",
    "activities",
    "notes",
)
"""Object types in an order in which each refers to earlier ones; the other way round it would be a circle."""


def upstream_of(source: Source, whole: Mapping[str, Source], names: DagsterNames) -> Iterator[dg.AssetDep]:
    """The assets above that of a source.

    Args:
        source: the one below.
        whole: see `whole_sources`.
        names: what Dagster calls them.
    """
    yield dg.AssetDep(names.account_key)
    if source.type.parent is not None and source.parents is not None:
        yield _dependency(names, source.parents, source.type.parent.type)
    for object_type in sorted(_referred(source) & whole.keys()):
        yield _dependency(names, whole[object_type].slug, whole[object_type].type)


def _dependency(names: DagsterNames, slug: str, object_type: ObjectType) -> dg.AssetDep:
    # Every window holds records that refer to records of any window.
    mapping = dg.AllPartitionMapping() if object_type.partitioned else None
    return dg.AssetDep(names.asset_key(slug), partition_mapping=mapping)


def _referred(source: Source) -> set[str]:
    """The object types that a source's properties point to, as far as they stand before its own."""
    if source.object_type not in _ORDER:
        return set()
    properties = filter(None, map(source.type.property, source.properties))
    referred = {
        REFERENCED[each.field_type].object_type for each in properties if each.field_type in REFERENCED
    }
    return referred & set(_ORDER[: _ORDER.index(source.object_type)])
