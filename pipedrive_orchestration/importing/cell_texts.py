"""A typed value as a person reads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pipedrive_orchestration.pipedrive.fields import Field


def text_of(value: Any, field: Field) -> str:
    """The text of a value: options by their labels, contacts and lists joined, nothing for a missing one.

    Args:
        value: as DuckDB gives it; JSON decoded.
        field: the field that it is a value of.
    """
    labels = {str(option.id): option.label for option in field.options}
    return _text(value, lambda one: labels.get(str(one), str(one)))


def _text(value: Any, labeled: Callable[[Any], str]) -> str:
    if isinstance(value, list):
        return ", ".join(filter(None, (_text(one, labeled) for one in value)))
    if isinstance(value, Mapping):
        return _text_of_parts(value)
    return _text_of_one(value, labeled)


def _text_of_one(value: Any, labeled: Callable[[Any], str]) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
        case float():
            return f"{value:,.12g}"
        case _:
            return labeled(value)


def _text_of_parts(value: Mapping[str, Any]) -> str:
    main = _text(value.get("value"), str)
    if "value" not in value:
        return json.dumps(value, ensure_ascii=False, default=str)
    if value.get("currency"):
        return f"{main} {value['currency']}".strip()
    if value.get("until"):
        return f"{main} to {_text(value['until'], str)}"
    return main
