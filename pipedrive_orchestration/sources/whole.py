"""The sources that stand for a whole object type."""

from __future__ import annotations

from collections.abc import Iterable

from pipedrive_orchestration.sources.model import Source


def whole_sources(sources: Iterable[Source]) -> dict[str, Source]:
    """The sources that hold every record of their object type, by it; of several the first one."""
    whole: dict[str, Source] = {}
    for source in sources:
        if source.filters is None and source.pull_existing:
            whole.setdefault(source.object_type, source)
    return whole
