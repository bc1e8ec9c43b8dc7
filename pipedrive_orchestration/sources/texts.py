"""The kinds of text that a body holds."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, StrictStr

from pipedrive_orchestration.sources.problems import refusal


def _stripped(text: str) -> str:
    text = text.strip()
    if not text:
        raise refusal("blank", "Must not be blank.")
    if "\x00" in text:
        raise refusal("invalid_character", "Must not contain a NUL character.")
    return text


Text = Annotated[StrictStr, AfterValidator(_stripped)]
"""A text without blanks around it and not empty."""


def _written_date(value: Any) -> Any:
    # A datetime is a date to isinstance, and 20271231 is one to date.fromisoformat.
    if type(value) is date:
        return value
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value.strip()):
        with suppress(ValueError):
            return date.fromisoformat(value.strip())
    raise refusal("invalid_date", f"`{value}` is not a date; write it as YYYY-MM-DD.")


WrittenDate = Annotated[date, BeforeValidator(_written_date)]
"""A calendar date, as YAML reads it or as ``YYYY-MM-DD``."""
