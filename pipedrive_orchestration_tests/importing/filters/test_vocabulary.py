"""What is checked without an account: the words, how many values they take, groups and their limits."""

from __future__ import annotations

from typing import Any

import pytest

from pipedrive_orchestration.sources import InvalidBodyError
from pipedrive_orchestration.sources.conditions import condition_named
from pipedrive_orchestration_tests.importing.filters.account import body_of
from pipedrive_orchestration_tests.importing.filters.evaluation import CONDITIONS


def problems(filters: Any) -> dict[str, str]:
    """Code by field of everything that is wrong with a filter."""
    try:
        body_of(filters)
    except InvalidBodyError as error:
        found = error.problems
    else:
        return {}
    assert len({problem.field for problem in found}) == len(found)
    return {problem.field: problem.code for problem in found}


def message(filters: Any) -> str:
    with pytest.raises(InvalidBodyError) as caught:
        body_of(filters)
    return str(caught.value)


def leaf(**fields: Any) -> dict[str, Any]:
    return {"conditions": [{"variable": "title"} | fields]}


@pytest.mark.parametrize(
    ("word", "condition"), [(word, condition) for condition, words in CONDITIONS.items() for word in words]
)
def test_conditions_have_aliases(word: str, condition: str) -> None:
    for spelled in (word, word.upper(), word.replace(" ", "_"), word.replace(" ", "-"), f" {word} "):
        assert condition_named(spelled) == condition


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("count", range(4))
def test_a_condition_takes_its_number_of_values(condition: str, count: int) -> None:
    none = {"is empty", "is not empty", "is true", "is false"}
    one = {"greater than", "greater than or equal", "less than", "less than or equal"}
    fits = count == 0 if condition in none else count == 1 if condition in one else count > 0
    if condition == "is between":
        fits = count == 2
    expected = {} if fits else {"filters.conditions[0].values": "wrong_number_of_values"}
    assert problems(leaf(condition=condition, values=list(range(count)))) == expected
    if count == 1:
        assert problems(leaf(condition=condition, value=1)) == expected
    assert problems(leaf(condition=condition, value=list(range(count)))) == expected


def test_the_message_says_how_many_values() -> None:
    assert "`is between` takes exactly two values, not 1." in message(leaf(condition="is between", value=1))
    assert "`in` takes at least one value, not 0." in message(leaf(condition="in"))


def test_value_and_values_are_the_same_thing_twice() -> None:
    assert problems(leaf(value=1, values=[1])) == {}
    assert problems(leaf(value=[1, 2], values=[1])) == {"filters.conditions[0].values": "given_twice"}


def test_an_operator_is_an_alias_or_a_hint_and_never_another_condition() -> None:
    assert problems(leaf(operator=">", value=1)) == {}
    assert problems(leaf(operator="or", condition=">", value=1)) == {}
    assert problems(leaf(operator="gt", condition=">", value=1)) == {}
    place = "filters.conditions[0]."
    assert problems(leaf(operator="<", condition=">", value=1)) == {
        place + "operator": "conflicting_condition"
    }
    assert problems(leaf(operator="xor", value=1)) == {place + "operator": "unknown_condition"}
    assert problems(leaf(condition="equal", value=1)) == {place + "condition": "unknown_condition"}
    assert "Did you mean `equals`" in message(leaf(condition="equal", value=1))


def test_leaves_that_disagree_need_a_group_that_decides() -> None:
    hints = [{"variable": "title", "value": "x", "operator": hint} for hint in ("and", "OR")]
    assert problems({"conditions": hints}) == {"filters.conditions": "mixed_operators"}
    assert problems({"conditions": [{"conditions": hints}]}) == {
        "filters.conditions[0].conditions": "mixed_operators"
    }
    for operator in ("and", "OR"):
        assert problems({"operator": operator, "conditions": hints}) == {}
    assert body_of({"conditions": hints[1:]}).filters.joiner == "OR"  # type: ignore[union-attr]  # it has one


@pytest.mark.parametrize("value", ["", "  ", "a\0b", None, float("inf"), {"x": 1}])
def test_values_that_cannot_be_compared_with(value: Any) -> None:
    assert len(problems(leaf(values=[value]))) == 1


def test_a_filter_has_a_hundred_leaves_at_most() -> None:
    one = {"variable": "title", "value": "x"}
    assert problems({"conditions": [one] * 50 + [{"conditions": [one] * 50}]}) == {}
    assert problems({"conditions": [one] * 51 + [{"conditions": [one] * 50}]}) == {
        "filters.conditions": "too_many_leaves"
    }


def test_everything_is_reported_at_once() -> None:
    one = {"variable": "title", "value": "x"}
    wrong = [
        {"variable": "title", "condition": "equal", "value": "x"},
        {"variable": "title", "condition": "is", "operator": "<", "value": "x"},
        {"variable": "title", "condition": "is between", "values": [1]},
        {"variable": "", "value": "x"},
        {"variable": "title", "value": "x", "variable_type": "text"},
        {"conditions": [{"conditions": [one]}, {"variable": "title", "values": ["ok", ""]}]},
    ]
    assert problems({"conditions": wrong + [one] * 96}) == {
        "filters.conditions[0].condition": "unknown_condition",
        "filters.conditions[1].operator": "conflicting_condition",
        "filters.conditions[2].values": "wrong_number_of_values",
        "filters.conditions[3].variable": "blank",
        "filters.conditions[4].variable_type": "literal_error",
        "filters.conditions[5].conditions[0]": "too_deep",
        "filters.conditions[5].conditions[1].values[1]": "blank",
        "filters.conditions": "too_many_leaves",
    }
