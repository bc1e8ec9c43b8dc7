"""Values as a person reads them: labels and names in place of ids."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipedrive_orchestration.writing.kinds import REFERENCES, Names, Property
from pipedrive_orchestration.writing.stored import is_empty


def shown(prop: Property, value: Any, names: Names) -> str:
    """The value as a person reads it: labels and names in place of ids."""
    if is_empty(value):
        return ""
    if prop.kind in ("option", "options"):
        labels = {str(option.id): option.label for option in prop.options}
        listed = value if isinstance(value, list) else [value]
        return ", ".join(labels.get(str(one), str(one)) for one in listed)
    if prop.kind in REFERENCES:
        listed = value if isinstance(value, list) else [value]
        return ", ".join(names.name_of(REFERENCES[prop.kind], one) or str(one) for one in listed)
    if prop.options and not isinstance(value, list | dict):
        labels = {str(option.id): option.label for option in prop.options}
        return labels.get(str(value), str(value))
    return _plainly(value)


def _plainly(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_plainly, value))
    if isinstance(value, Mapping):
        main = value.get("value", value.get("amount", value.get("price", value.get("person_id"))))
        if main is None:
            return json.dumps(value, ensure_ascii=False, default=str)
        more = value.get("currency") or (f"to {value['until']}" if value.get("until") else "")
        return f"{main} {more}".strip()
    return str(value)
