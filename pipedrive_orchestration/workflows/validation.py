"""Validation of a sync against the workflow that it feeds and the sources there are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from pipedrive_orchestration.sources import InvalidBodyError, Problem, Source
from pipedrive_orchestration.sources.model import is_slug
from pipedrive_orchestration.sources.validation import did_you_mean, problems_of
from pipedrive_orchestration.workflows.mapping import problems_of_mapping, problems_of_properties
from pipedrive_orchestration.workflows.model import Sync, Workflow


def parse_sync(data: Any, workflow: Workflow, sources: Iterable[Source]) -> Sync:
    """Reads a sync that a workflow is to have; what is left out has its default.

    Raises:
        InvalidBodyError: With every problem: of its form, of the source, of the inputs and properties.
    """
    if not isinstance(data, Mapping):
        message = "A sync is a mapping of fields to values, with at least source and field_mapping."
        raise InvalidBodyError([Problem("", "not_a_mapping", message)])
    data = {str(field): value for field, value in data.items() if value is not None}
    problems: list[Problem] = []
    try:
        sync = Sync.model_validate(data)
    except ValidationError as error:
        problems = problems_of(error, {"": Sync})
    problems += _problems(data.get("source"), data.get("field_mapping"), workflow, sources)
    if problems:
        raise InvalidBodyError(problems)
    return sync


def problems_of_syncs(workflow: Workflow, sources: Iterable[Source]) -> dict[str, list[Problem]]:
    """The syncs of a workflow that cannot be run, by source; such as those of a source that was deleted."""
    sources = list(sources)
    found = {
        sync.source: _problems(sync.source, sync.field_mapping, workflow, sources, f"syncs[{index}].")
        for index, sync in enumerate(workflow.syncs)
    }
    return {source: problems for source, problems in found.items() if problems}


def problems_between_files(content: Any, sources: Iterable[Source], unread: Collection[str]) -> list[Problem]:
    """Problems between a workflow's file and the sources, whatever is wrong in the file itself.

    Args:
        content: what the file holds, be it a workflow or not.
        sources: those of the project.
        unread: the slugs of files that are no sources; what they lack is not known.
    """
    syncs = content.get("syncs") if isinstance(content, Mapping) else None
    links = [
        (f"syncs[{index}].", sync.get("source"), sync.get("field_mapping"))
        for index, sync in enumerate(syncs if isinstance(syncs, list) else [])
        if isinstance(sync, Mapping)
    ]
    by_slug = {source.slug: source for source in sources}
    return [
        problem
        for at, slug, mapping in links
        if isinstance(slug, str) and is_slug(slug) and slug not in unread
        for problem in _problems_of_link(slug, mapping, by_slug, at)
    ]


def _problems(
    slug: Any, mapping: Any, workflow: Workflow, sources: Iterable[Source], at: str = ""
) -> list[Problem]:
    by_slug = {source.slug: source for source in sources}
    problems = _problems_of_link(slug, mapping, by_slug, at) if isinstance(slug, str) else []
    return problems + problems_of_mapping(mapping, workflow.inputs, at=f"{at}field_mapping")


def _problems_of_link(slug: str, mapping: Any, sources: Mapping[str, Source], at: str) -> list[Problem]:
    if slug in sources:
        return problems_of_properties(mapping, sources[slug], at=f"{at}field_mapping")
    message = f"There is no source `{slug}`; it was deleted, renamed or never there."
    return [Problem(f"{at}source", "unknown_source", message + did_you_mean(slug, sources))]
