"""The one place where names become SQL."""

from __future__ import annotations


def quoted(*names: str) -> str:
    """An identifier, or a dotted path of identifiers, safe to stand in SQL.

    Raises:
        ValueError: a name is empty or holds NUL, which no identifier can.
    """
    for name in names:
        if not name or "\0" in name:
            raise ValueError(f"{name!r} cannot be an identifier.")
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def literal(text: str) -> str:
    """A text literal, for the statements that take no parameters (comments, views, comparisons)."""
    return "'" + text.replace("\0", "").replace("'", "''") + "'"
