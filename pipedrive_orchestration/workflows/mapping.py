"""Problems of a field mapping: all at once, each with what was probably meant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipedrive_orchestration.sources import Problem, Source
from pipedrive_orchestration.sources.validation import did_you_mean
from pipedrive_orchestration.workflows.inputs import REFERENCE_PREFIX, Input, without_braces


def problems_of_mapping(mapping: Any, inputs: Sequence[Input], *, at: str = "field_mapping") -> list[Problem]:
    """The references of a mapping that name no input, or one that is named before.

    Args:
        mapping: as it was written; anything but a mapping has been found to be none already.
        inputs: what it may fill.
        at: where it stands in the body.
    """
    written = _references(mapping).values()
    known = [one.reference for one in inputs]
    return [
        Problem(f"{at}.{reference}", "duplicate_input", f"`{reference}` is mapped {count} times.")
        for reference, count in Counter(written).items()
        if count > 1
    ] + [
        Problem(f"{at}.{reference}", "unknown_input", _unknown_input(reference, known))
        for reference in dict.fromkeys(written)
        if reference not in known
    ]


def problems_of_properties(mapping: Any, source: Source, *, at: str = "field_mapping") -> list[Problem]:
    """The values of a mapping that are no properties of the source.

    Args:
        mapping: as it was written.
        source: where its properties are looked up.
        at: where it stands in the body.
    """
    return [
        Problem(f"{at}.{reference}", "unknown_source_field", _unknown_property(mapping[key], source))
        for key, reference in _references(mapping).items()
        if isinstance(mapping[key], str) and mapping[key].strip() not in {"", *source.properties}
    ]


def _references(mapping: Any) -> dict[str, str]:
    """The reference behind each key of a mapping."""
    keys = mapping if isinstance(mapping, Mapping) else ()
    return {key: without_braces(key) for key in keys if isinstance(key, str)}


def _unknown_input(reference: str, known: Sequence[str]) -> str:
    meant = f" Did you mean `{REFERENCE_PREFIX}{reference}`?" if REFERENCE_PREFIX + reference in known else ""
    listed = f" Inputs: {', '.join(known)}." if known else ""
    return f"`{reference}` is not an input of the workflow.{meant or _meant(reference, known)}{listed}"


def _unknown_property(name: str, source: Source) -> str:
    labelled = [key for key, label in source.labels.items() if label.casefold() == name.strip().casefold()]
    meant = f" That is the label of `{labelled[0]}`." if labelled else _meant(name, source.properties)
    return (
        f"`{name}` is not a property of the source `{source.slug}`.{meant} "
        f"Properties: {', '.join(source.properties)}."
    )


def _meant(name: str, known: Iterable[str]) -> str:
    known = list(known)
    same = [each for each in known if each.casefold() == name.strip().casefold()]
    if same:
        return f" Upper and lower case count: did you mean `{same[0]}`?"
    return did_you_mean(name, known)
