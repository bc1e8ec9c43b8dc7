"""The parents of children: which source holds the records along which another one is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipedrive_orchestration.pipedrive.object_types import Parent
from pipedrive_orchestration.sources.model import Source, SourceBody
from pipedrive_orchestration.sources.validation import InvalidBodyError, Problem, did_you_mean

FIELD = "options.parents"


def with_parents(sources: Sequence[Source]) -> tuple[list[Source], dict[str, Problem]]:
    """Sources with the parents of those that are children, and why others have none, by slug."""
    complete: list[Source] = []
    problems: dict[str, Problem] = {}
    for source in sources:
        try:
            complete.append(source.model_copy(update={"parents": parents_of(source, sources)}))
        except InvalidBodyError as error:
            (problems[source.slug],) = error.problems
    return complete, problems


def parents_of(body: SourceBody, sources: Iterable[Source]) -> str | None:
    """The slug of the source that a body's children are read along; None for what is not read so.

    It is the one that the body names, or the only one that holds every record of the parents' object type.

    Raises:
        InvalidBodyError: there is none, there are several, or it does not import what has to be known of a
            parent.
    """
    parent = body.type.parent
    if parent is None:
        return None
    of_type = [one for one in sources if one.object_type == parent.type.name]
    slug = _chosen(body, parent, of_type)
    properties = next(one.properties for one in of_type if one.slug == slug)
    if parent.period and parent.counted not in properties:
        message = f"`{slug}` has to import `{parent.counted}`, by which {body.object_type} are asked for."
        raise _refused("parents_without_property", message)
    return slug


def _chosen(body: SourceBody, parent: Parent, of_type: Sequence[Source]) -> str:
    named = body.options.parents
    if named is not None:
        return _named(body, named, of_type)
    whole = [one.slug for one in of_type if one.filters is None and one.pull_existing]
    if len(whole) == 1:
        return whole[0]
    read_so = f"{body.object_type} are read along {parent.type.name}, and"
    if whole:
        listed = ", ".join(whole)
        raise _refused("several_parents", f"{read_so} several sources hold all of these: {listed}. Name one.")
    listed = ", ".join(one.slug for one in of_type)
    others = f" To have the children of some alone, name one of these: {listed}." if listed else ""
    raise _refused(
        "no_parents",
        f"{read_so} no source holds all of these. Add one with `object_type: {parent.type.name}` and "
        f"without filters.{others}",
    )


def _named(body: SourceBody, slug: str, of_type: Sequence[Source]) -> str:
    assert body.type.parent is not None
    slugs = [one.slug for one in of_type]
    if slug in slugs:
        return slug
    wanted = body.type.parent.type.name
    listed = f" Sources of {wanted}: {', '.join(slugs)}." if slugs else f" There are no sources of {wanted}."
    raise _refused(
        "unknown_parents",
        f"`{slug}` is no source of {wanted}, along which {body.object_type} are read."
        f"{did_you_mean(slug, slugs)}{listed}",
    )


def _refused(code: str, message: str) -> InvalidBodyError:
    return InvalidBodyError([Problem(FIELD, code, message)])
