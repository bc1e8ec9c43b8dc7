"""A filter as a sentence, for people who do not read the file."""

from __future__ import annotations

from collections.abc import Mapping

from pipedrive_orchestration.sources.conditions import Condition
from pipedrive_orchestration.sources.filter_model import FilterGroup, FilterLeaf, FilterNode, FilterSubgroup

_VERBS = {
    Condition.EQUALS: "is",
    Condition.IN: "is",
    Condition.NOT_EQUALS: "is not",
    Condition.NOT_IN: "is not",
    Condition.CONTAINS: "contains",
    Condition.DOES_NOT_CONTAIN: "does not contain",
    Condition.STARTS_WITH: "starts with",
    Condition.ENDS_WITH: "ends with",
    Condition.IS_EMPTY: "is empty",
    Condition.IS_NOT_EMPTY: "is not empty",
    Condition.GREATER_THAN: "is greater than",
    Condition.GREATER_THAN_OR_EQUAL: "is at least",
    Condition.LESS_THAN: "is less than",
    Condition.LESS_THAN_OR_EQUAL: "is at most",
    Condition.IS_BETWEEN: "is between",
    Condition.IS_TRUE: "is true",
    Condition.IS_FALSE: "is false",
}


def sentence_of(filters: FilterGroup, labels: Mapping[str, str]) -> str:
    """What a filter lets in, to follow "of which"; empty where it restricts nothing.

    Args:
        filters: the filter.
        labels: human names by property, as far as they are known.
    """
    parts = [part for part in (_of_member(member, labels) for member in filters.conditions) if part]
    return _joined(parts, filters.joiner)


def _of_member(member: FilterNode, labels: Mapping[str, str]) -> str:
    if isinstance(member, FilterLeaf):
        return _of_leaf(member, labels)
    assert isinstance(member, FilterSubgroup)
    parts = [_of_leaf(leaf, labels) for leaf in member.conditions]
    joined = _joined(parts, member.joiner)
    return f"({joined})" if len(parts) > 1 else joined


def _joined(parts: list[str], joiner: str) -> str:
    return f" {joiner.lower()} ".join(parts)


def _of_leaf(leaf: FilterLeaf, labels: Mapping[str, str]) -> str:
    asks = leaf.asks
    values = [_text(value) for _, value in leaf.given]
    # None of several values means not the one and not the other.
    between = " and " if asks is Condition.IS_BETWEEN else " nor " if asks.is_negative else " or "
    words = [labels.get(leaf.variable, leaf.variable.replace("_", " ")), _VERBS[asks], between.join(values)]
    case = " (capitals count)" if leaf.case_sensitive and values else ""
    return " ".join(filter(None, words)) + case


def _text(value: bool | float | str) -> str:  # noqa: FBT001 - a value of a filter
    if isinstance(value, bool):
        return str(value).lower()
    return f"“{value}”" if isinstance(value, str) else f"{value:,}"
