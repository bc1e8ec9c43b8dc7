"""The words of a filter: what a leaf can ask of its field, and the other names for it."""

from __future__ import annotations

import re
from enum import StrEnum


class Condition(StrEnum):
    """What a leaf asks of its field."""

    EQUALS = "equals"
    NOT_EQUALS = "not equals"
    CONTAINS = "contains"
    DOES_NOT_CONTAIN = "does not contain"
    STARTS_WITH = "starts with"
    ENDS_WITH = "ends with"
    IS_EMPTY = "is empty"
    IS_NOT_EMPTY = "is not empty"
    GREATER_THAN = "greater than"
    GREATER_THAN_OR_EQUAL = "greater than or equal"
    LESS_THAN = "less than"
    LESS_THAN_OR_EQUAL = "less than or equal"
    IS_BETWEEN = "is between"
    IN = "in"
    NOT_IN = "not in"
    IS_TRUE = "is true"
    IS_FALSE = "is false"

    @property
    def takes(self) -> tuple[int, int | None]:
        """The least and the greatest number of values; None where there is no greatest."""
        if self in EMPTINESS | TRUTH:
            return 0, 0
        if self in ORDERING:
            return 1, 1
        return (2, 2) if self is Condition.IS_BETWEEN else (1, None)

    @property
    def positive(self) -> Condition:
        """What must hold for none of the values where this is negative; else this itself.

        ``in`` and ``equals`` ask the same, so both are ``equals`` here.
        """
        return _POSITIVE.get(self, self)

    @property
    def is_negative(self) -> bool:
        """Whether it holds where none of the values fit, so that a missing value satisfies it."""
        return self in NEGATIVE


EQUALITY = frozenset({Condition.EQUALS, Condition.NOT_EQUALS, Condition.IN, Condition.NOT_IN})
CONTAINMENT = frozenset({Condition.CONTAINS, Condition.DOES_NOT_CONTAIN})
TEXTUAL = CONTAINMENT | {Condition.STARTS_WITH, Condition.ENDS_WITH}
ORDERING = frozenset(
    {
        Condition.GREATER_THAN,
        Condition.GREATER_THAN_OR_EQUAL,
        Condition.LESS_THAN,
        Condition.LESS_THAN_OR_EQUAL,
    }
)
EMPTINESS = frozenset({Condition.IS_EMPTY, Condition.IS_NOT_EMPTY})
TRUTH = frozenset({Condition.IS_TRUE, Condition.IS_FALSE})
NEGATIVE = frozenset({Condition.NOT_EQUALS, Condition.DOES_NOT_CONTAIN, Condition.NOT_IN})

_POSITIVE = {
    Condition.NOT_EQUALS: Condition.EQUALS,
    Condition.IN: Condition.EQUALS,
    Condition.NOT_IN: Condition.EQUALS,
    Condition.DOES_NOT_CONTAIN: Condition.CONTAINS,
}

ALIASES = {
    **{condition.value: condition for condition in Condition},
    **dict.fromkeys(("is", "=", "eq"), Condition.EQUALS),
    **dict.fromkeys(("is not", "!=", "neq"), Condition.NOT_EQUALS),
    "is null": Condition.IS_EMPTY,
    "exists": Condition.IS_NOT_EMPTY,
    **dict.fromkeys((">", "gt", "after"), Condition.GREATER_THAN),
    **dict.fromkeys((">=", "gte"), Condition.GREATER_THAN_OR_EQUAL),
    **dict.fromkeys(("<", "lt", "before"), Condition.LESS_THAN),
    **dict.fromkeys(("<=", "lte"), Condition.LESS_THAN_OR_EQUAL),
    "is any of": Condition.IN,
    "is none of": Condition.NOT_IN,
}
"""Every accepted word for a condition."""


def condition_named(text: str) -> Condition | None:
    """The condition of that name or alias: case does not matter, and ``_`` and ``-`` are blanks."""
    return ALIASES.get(plain(text))


def plain(text: str) -> str:
    """A word in lower case, with single blanks for whatever separates its parts."""
    return " ".join(re.split(r"[\s_-]+", text.strip().lower()))
