"""Cells as spreadsheet programs read them: no text becomes a formula, and an instant is one of theirs."""

from __future__ import annotations

from pipedrive_orchestration.warehouse import quoted

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""The first bytes of a file by which a spreadsheet program knows that its text is UTF-8."""

_FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"
"""The beginning of a text that a spreadsheet program takes for a formula.

The characters are those of OWASP's page on CSV injection.
"""

_TEXT_TYPES = ("VARCHAR", "JSON")
_INSTANT_TYPE = "TIMESTAMP WITH TIME ZONE"


def spreadsheet_cell(key: str, type_: str) -> str:
    """SQL for a cell of a column that is not nested.

    A text that would be a formula gets an apostrophe before it. An instant is written in UTC as
    ``YYYY-MM-DD HH:MM:SS``, to the second as Pipedrive has it.

    Args:
        key: the column.
        type_: its type, as DuckDB names it.
    """
    column = quoted(key)
    if type_ in _TEXT_TYPES:
        text = f"CAST({column} AS VARCHAR)"
        return f"CASE WHEN regexp_matches({text}, '{_FORMULA}') THEN '''' || {text} ELSE {text} END"
    if type_ == _INSTANT_TYPE:
        return f"strftime(make_timestamp(epoch_us({column})), '%Y-%m-%d %H:%M:%S')"
    return column
