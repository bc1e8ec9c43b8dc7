"""Numbers and dates as spreadsheets of different countries have them, where they mean one thing only."""

from __future__ import annotations

from typing import Any

import pytest

from pipedrive_orchestration.writing.kinds import Property, ValueRefusedError
from pipedrive_orchestration.writing.names import AccountNames
from pipedrive_orchestration.writing.values import written

NUMBER, DATE = Property("value", "Value", "number"), Property("birthday", "Birthday", "date")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1234.5", 1234.5), ("-7", -7), ("12,5", 12.5), ("1234,50", 1234.5), ("1.234,50", 1234.5),
        ("1.234.567,8", 1234567.8), ("1,234.50", 1234.5), ("1 234,50", 1234.5), ("1\u00a0234,5", 1234.5),
        ("1'234'567.25", 1234567.25), ("-1.234,5", -1234.5),
    ],
)  # fmt: skip
def test_a_number_is_read_as_it_is_written(text: str, number: float) -> None:
    assert written(NUMBER, text, AccountNames()) == number


@pytest.mark.parametrize("text", ["1,234", "1,2345", "12,34.5", "1.23.4", "twelve", "1,,5", "5 %"])
def test_a_number_that_may_mean_another_is_refused(text: str) -> None:
    with pytest.raises(ValueRefusedError, match=r"is a number such as 1234\.5"):
        written(NUMBER, text, AccountNames())


@pytest.mark.parametrize(
    ("text", "day"), [("2026-12-31", "2026-12-31"), ("31.12.2026", "2026-12-31"), ("1.2.1990", "1990-02-01")]
)
def test_a_date_is_read_as_it_is_written(text: Any, day: str) -> None:
    assert written(DATE, text, AccountNames()) == day


@pytest.mark.parametrize("text", ["12/31/2026", "01/02/2026", "31.13.2026", "31.12.26", "Dec 31, 2026"])
def test_a_date_that_may_mean_another_is_refused(text: str) -> None:
    with pytest.raises(ValueRefusedError, match=r"is a date such as 2026-12-31 or 31\.12\.2026"):
        written(DATE, text, AccountNames())
