"""The properties that can be written, and the kinds that their values are of."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from pipedrive_orchestration.pipedrive.fields import Option


class ValueRefusedError(ValueError):
    """A value that a property does not take; the message says what it takes."""


class Names(Protocol):
    """The names behind references."""

    def id_of(self, object_type: str, name: Any) -> Any:
        """The id of the record that is meant by a name or an id.

        Raises:
            ValueRefusedError: there is none, or several have that name.
        """

    def name_of(self, object_type: str, record_id: Any) -> str | None:
        """The name of a record, where it is known."""


@dataclass(frozen=True, slots=True)
class Property:
    """A property that can be written, as the account has it.

    Attributes:
        key: in a body.
        kind: what its values are.
        options: of a property that chooses among them.
        is_custom: whether it is the account's own.
        required: whether a new record needs it.
        in_creation: whether a new record takes it.
        in_change: whether a change takes it.
        clearable: whether null clears it.
        is_opposite: whether it was asked for under a name of v1 that says the contrary.
        read: what answers call it, if not like that; empty where they do not have it.
    """

    key: str
    label: str
    kind: str
    options: tuple[Option, ...] = ()
    is_custom: bool = False
    required: bool = False
    in_creation: bool = True
    in_change: bool = True
    clearable: bool = True
    is_opposite: bool = False
    read: str | None = None

    @property
    def read_key(self) -> str:
        """The key under which answers have it; empty where they do not have it."""
        return self.key if self.read is None else self.read


REFERENCES = {
    "user": "users",
    "person": "persons",
    "organization": "organizations",
    "deal": "deals",
    "lead": "leads",
    "pipeline": "pipelines",
    "stage": "stages",
    "product": "products",
    "activity type": "activity_types",
    "currency": "currencies",
    "activity": "activities",
    "board": "boards",
    "phase": "phases",
    "role": "roles",
    "lead labels": "lead_labels",
    "users": "users",
    "deals": "deals",
    "persons": "persons",
    "organizations": "organizations",
    **{f"{one} field": f"{one}_fields" for one in ("deal", "person", "organization", "product", "project")},
}
"""Kinds whose values name records, and of which collection."""

SEVERAL = frozenset({"lead labels", "users", "deals", "persons", "organizations"})
"""Those of them whose values name several."""

CUSTOM_KINDS = {
    "varchar": "text",
    "varchar_auto": "text",
    "phone": "text",
    "text": "long text",
    "double": "number",
    "monetary": "money",
    "enum": "option",
    "set": "options",
    "user": "user",
    "people": "person",
    "org": "organization",
    "date": "date",
    "daterange": "date range",
    "time": "time",
    "timerange": "time range",
    "address": "address",
}
"""Kinds of custom fields, by Pipedrive's field type."""

CHOICES: dict[str, tuple[Any, ...]] = {
    "status": ("open", "won", "lost"),
    "marketing": ("no_consent", "unsubscribed", "subscribed", "archived"),
    "billing": ("one-time", "annually", "semi-annually", "quarterly", "monthly", "weekly"),
    "label color": (
        "blue", "brown", "dark-gray", "gray", "green", "orange", "pink", "purple", "red", "yellow",
    ),
    "filter type": ("deals", "leads", "org", "people", "products", "activity", "projects"),
    "goal interval": ("weekly", "monthly", "quarterly", "yearly"),
    "call outcome": ("connected", "no_answer", "left_message", "left_voicemail", "wrong_number", "busy"),
    "relation": ("parent", "related"),
    "tax method": ("exclusive", "inclusive", "none"),
    "discount type": ("percentage", "amount"),
    "document type": ("gdoc", "gslides", "gsheet", "gform", "gdraw"),
    "document owner": ("deal", "organization", "person"),
    "document place": ("googledrive",),
    "field type": (
        "varchar", "varchar_auto", "text", "double", "monetary", "enum", "set", "user", "org", "people",
        "phone", "date", "daterange", "time", "timerange", "address",
    ),
    "icon": (
        "task", "email", "meeting", "deadline", "call", "lunch", "calendar", "downarrow", "document",
        "smartphone", "camera", "scissors", "cogs", "bubble", "uparrow", "checkbox", "signpost", "shuffle",
        "addressbook", "linegraph", "picture", "car", "world", "search", "clip", "sound", "brush", "key",
        "padlock", "pricetag", "suitcase", "finish", "plane", "loop", "wifi", "truck", "cart", "bulb", "bell",
        "presentation",
    ),
}  # fmt: skip
"""Kinds whose values are some words."""

EMPTY_LISTS = frozenset({"contacts", "participants", "objects", "prices", "option labels"}) | SEVERAL
"""Kinds of which an empty list is the value that they have none of."""

CONTACT = ("value", "primary", "label")
PRICE = ("price", "currency", "cost", "direct_cost", "notes")
"""The parts of an address of e-mail or a phone number, and those of a price."""


def number_of(raw: Any) -> int | float | None:
    """The number that is meant, whole where it is; None where none is."""
    if isinstance(raw, bool) or not isinstance(raw, int | float | str | Decimal):
        return None
    if isinstance(raw, int):
        return raw
    try:
        number = float(raw)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    if number.is_integer() and abs(number) < 2**53:
        return int(number)
    return number


def several(raw: Any) -> list[Any]:
    """The values that are meant: the elements of a list, or what commas separate."""
    if isinstance(raw, list | tuple):
        return list(raw)
    opened = from_json(raw)
    if isinstance(opened, list):
        return opened
    if isinstance(raw, str):
        return [word.strip() for word in re.split("[,;]", raw) if word.strip()]
    return [raw]


def from_json(raw: Any) -> Any:
    """What a text holds as JSON, where it is an object or a list."""
    if isinstance(raw, str) and raw.strip()[:1] in ("{", "["):
        try:
            return json.loads(raw)
        except ValueError:
            return raw
    return raw
