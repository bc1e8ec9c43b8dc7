"""Charts stay readable whatever values an account holds, and say what they do not show."""

from __future__ import annotations

from typing import Any

import pytest

from pipedrive_orchestration.models.charts import cut_off

BARS = {
    "mark": "bar",
    "encoding": {
        "x": {"field": "month", "type": "temporal"},
        "y": {"field": "value", "type": "quantitative"},
        "row": {"field": "currency"},
    },
}


def rows(*values: float | None, currency: str = "EUR") -> list[dict[str, Any]]:
    return [
        {"month": f"2026-{number:02}-01", "value": value, "currency": currency}
        for number, value in enumerate(values, start=1)
    ]


def test_a_value_that_would_flatten_the_others_is_cut_off_and_said() -> None:
    cut = cut_off(rows(10, 20, None, 1e12, 15) + rows(2e9, 3e9, 1e9, 4e9, currency="JPY"), BARS)
    assert [row["value"] for row in cut.rows] == [10, 20, None, pytest.approx(23), 15, 2e9, 3e9, 1e9, 4e9]
    assert cut.said == ("2026-04-01, EUR: 1,000,000,000,000 is cut off.",)


def test_several_of_them_are_and_negative_ones_are_on_their_own_side() -> None:
    cut = cut_off(rows(10, 20, 1e12, -1e12, 15, -5, 12), BARS)
    assert [row["value"] for row in cut.rows][2:4] == [pytest.approx(23), pytest.approx(-23)]
    assert len(cut.said) == 2


@pytest.mark.parametrize(
    "values", [(1, 1e12), (), (1, 2, 3, 40, 50, 60), (1, 30, 800, 20_000, 500_000), (0, 0, 0, 5)]
)
def test_nothing_is_cut_off_where_values_differ_all_along_or_are_few(values: tuple[float, ...]) -> None:
    given = rows(*values)
    assert cut_off(given, BARS).rows == given


def test_stacked_bars_end_above_the_largest_that_is_shown_whole() -> None:
    stacked = {**BARS, "encoding": {**BARS["encoding"], "color": {"field": "owner"}}}  # type: ignore[dict-item]
    given = [row | {"owner": owner} for owner in ("Ada", "Ben") for row in rows(10, 20, 30)]
    given[2]["value"] = 9e9
    cut = cut_off(given, stacked)
    assert cut.rows[2]["value"] == pytest.approx(40 * 1.15)
    assert cut.said == ("2026-03-01, EUR, Ada: 9,000,000,000 is cut off.",)
