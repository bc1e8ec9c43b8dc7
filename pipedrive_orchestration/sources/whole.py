"""What follows from all sources of a project together."""

from __future__ import annotations

from collections.abc import Iterable

from pipedrive_orchestration.sources.model import USUAL_PRIORITY, Priority, Source


def whole_sources(sources: Iterable[Source]) -> dict[str, Source]:
    """The sources that hold every record of their object type, by it; of several the first one."""
    whole: dict[str, Source] = {}
    for source in sources:
        if source.filters is None and source.pull_existing:
            whole.setdefault(source.object_type, source)
    return whole


def priorities_of(sources: Iterable[Source]) -> dict[str, Priority]:
    """The priorities of sources by slug, where they are not the usual one."""
    unusual = (source for source in sources if source.options.priority != USUAL_PRIORITY)
    return {source.slug: source.options.priority for source in unusual}
