"""Values on their way to Pipedrive, in one form wherever they come from.

They come as people, files and tables write them, as answers have them, and as our own tables do.

Whatever comes in becomes one form, the JSON that the body of a write takes, so that values of any origin can
be compared. The form depends on the kind of the property; :mod:`pipedrive_orchestration.pipedrive.requests`
says which kind each has.
"""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from pipedrive_orchestration.pipedrive.fields import Option
from pipedrive_orchestration.pipedrive.responses import parse_time
from pipedrive_orchestration.sources.validation import did_you_mean


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

_VISIBILITY = (1, 3, 5, 7)
_EMPTY_LISTS = frozenset({"contacts", "participants", "objects", "prices", "option labels"}) | SEVERAL
_LONGEST = {"text": 255, "long text": 65_535, "html": 100 * 1024}
_CONTACT = ("value", "primary", "label")
_PRICE = ("price", "currency", "cost", "direct_cost", "notes")
_ADDRESS = (
    "value", "country", "admin_area_level_1", "admin_area_level_2", "locality", "sublocality", "route",
    "street_number", "subpremise", "postal_code",
)  # fmt: skip


def written(prop: Property, raw: Any, names: Names) -> Any:
    """The value of a body for what somebody wrote.

    Args:
        prop: whose value.
        raw: a text, or a value of YAML, JSON or a database; None, or an empty text, clears the property.
        names: of the records that are referred to.

    Raises:
        ValueRefusedError: the property does not take it.
    """
    if raw is None or (isinstance(raw, str) and not raw.strip()) or raw == []:
        return _cleared(prop)
    value = _WRITTEN[prop.kind](prop, raw, names)
    return not value if prop.is_opposite else value


def _cleared(prop: Property) -> Any:
    if prop.kind in _EMPTY_LISTS or (prop.kind == "options" and not prop.is_custom):
        return []
    if not prop.clearable:
        raise ValueRefusedError("cannot be empty.")
    return None


def _text(prop: Property, raw: Any, _names: Names) -> str:
    if isinstance(raw, bool | list | dict):
        raise ValueRefusedError(f"is a text, not {_shown_raw(raw)}.")
    text = str(raw).strip() if prop.kind == "text" else str(raw)
    longest = _LONGEST[prop.kind]
    if len(text.encode() if prop.kind == "html" else text) > longest:
        raise ValueRefusedError(f"is longer than {longest:,} characters.")
    if "\0" in text:
        raise ValueRefusedError("must not contain a NUL character.")
    return text


def _number(prop: Property, raw: Any, _names: Names) -> int | float:
    number = number_of(raw)
    if number is None:
        raise ValueRefusedError(f"is a number such as 1234.5, not {_shown_raw(raw)}.")
    if "percent" in prop.kind and not 0 <= number <= 100:
        raise ValueRefusedError("is a number from 0 to 100.")
    if prop.kind.startswith("whole") and not isinstance(number, int):
        raise ValueRefusedError(f"is a whole number, not {_shown_raw(raw)}.")
    return number


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


_TRUE, _FALSE = frozenset({"true", "yes", "1", "on"}), frozenset({"false", "no", "0", "off"})


def _boolean(_prop: Property, raw: Any, _names: Names) -> bool:
    word = str(raw).strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueRefusedError(f"is true or false, not {_shown_raw(raw)}.")
    return word in _TRUE


def _flag(prop: Property, raw: Any, names: Names) -> int:
    return int(_boolean(prop, raw, names))


def _date(_prop: Property, raw: Any, _names: Names) -> str:
    return _day(raw)


def _day(raw: Any) -> str:
    if isinstance(raw, datetime):
        if raw.timetz().replace(tzinfo=None) != time():
            raise ValueRefusedError("is a date, and this has a time of day.")
        return raw.date().isoformat()
    if isinstance(raw, date):
        return raw.isoformat()
    text = str(raw).strip()
    if re.fullmatch(r"\d{4}-\d\d-\d\d([T ]00:00(:00(\.0+)?)?(Z|[+]00:?(00)?)?)?", text):
        try:
            return date.fromisoformat(text[:10]).isoformat()
        except ValueError:
            pass
    raise ValueRefusedError(f"is a date such as 2026-12-31, not {_shown_raw(raw)}.")


def _instant(prop: Property, raw: Any, _names: Names) -> str:
    if isinstance(raw, datetime):
        instant = raw if raw.tzinfo else raw.replace(tzinfo=UTC)
    elif isinstance(raw, date):
        instant = datetime(raw.year, raw.month, raw.day, tzinfo=UTC)
    else:
        try:
            instant = parse_time(str(raw).strip())
        except ValueError:
            raise ValueRefusedError(
                f"is a date and time such as 2026-12-31T09:00:00Z, not {_shown_raw(raw)}."
            ) from None
    return instant.astimezone(UTC).strftime(
        "%Y-%m-%d %H:%M:%S" if prop.kind == "text instant" else "%Y-%m-%dT%H:%M:%SZ"
    )


def _clock(_prop: Property, raw: Any, _names: Names) -> str:
    return _time_of_day(raw)


def _time_of_day(raw: Any) -> str:
    text = raw.isoformat() if isinstance(raw, time) else str(raw).strip()
    found = re.fullmatch(r"(\d{1,2}):(\d\d)(?::(\d\d)(?:\.0+)?)?", text)
    if found is None or int(found[1]) > 23 or int(found[2]) > 59 or int(found[3] or 0) > 59:
        raise ValueRefusedError(f"is a time such as 09:30, not {_shown_raw(raw)}.")
    return f"{int(found[1]):02}:{found[2]}:{found[3] or '00'}"


def _choice(prop: Property, raw: Any, _names: Names) -> Any:
    choices = CHOICES[prop.kind]
    word = str(raw).strip().lower()
    labels = {option.label.casefold(): option.id for option in prop.options}
    word = str(labels.get(word.casefold(), word))
    if word not in choices:
        known = ", ".join(choices)
        raise ValueRefusedError(f"is one of {known}; not {_shown_raw(raw)}.{did_you_mean(word, choices)}")
    return word


def _visibility(prop: Property, raw: Any, _names: Names) -> int | str:
    number = number_of(raw)
    if number is None:
        number = number_of(_chosen(prop, raw))
    if number not in _VISIBILITY:
        raise ValueRefusedError(f"is one of 1, 3, 5 and 7, not {_shown_raw(raw)}.")
    return str(number) if prop.kind == "text visibility" else int(number)


def _hex_color(_prop: Property, raw: Any, _names: Names) -> str:
    text = str(raw).strip().removeprefix("#")
    if not re.fullmatch("[0-9A-Fa-f]{6}", text):
        raise ValueRefusedError(f"is a colour as six hexadecimal digits, not {_shown_raw(raw)}.")
    return text


def _reference(prop: Property, raw: Any, names: Names) -> Any:
    return names.id_of(REFERENCES[prop.kind], raw)


def _references(prop: Property, raw: Any, names: Names) -> list[Any]:
    return list(dict.fromkeys(names.id_of(REFERENCES[prop.kind], one) for one in several(raw)))


def _upload(_prop: Property, raw: Any, _names: Names) -> str:
    file = Path(str(raw)).expanduser()
    if not file.is_file():
        raise ValueRefusedError(f"is the path of a file, and {_shown_raw(raw)} is none.")
    return str(file.absolute())


def _option_labels(_prop: Property, raw: Any, _names: Names) -> list[dict[str, Any]]:
    given = [dict(one) if isinstance(one, Mapping) else {"label": str(one)} for one in several(raw)]
    if any(one.keys() != {"label"} or not str(one["label"]).strip() for one in given):
        raise ValueRefusedError("is a list of labels of options.")
    return given


def _option(prop: Property, raw: Any, _names: Names) -> Any:
    return _chosen(prop, raw)


def _options(prop: Property, raw: Any, _names: Names) -> list[Any]:
    known = {option.label.casefold() for option in prop.options}
    # A label may hold a comma, so the whole text is tried first.
    one = isinstance(raw, str) and raw.strip().casefold() in known
    return list(dict.fromkeys(_chosen(prop, each) for each in ([raw] if one else several(raw))))


def _chosen(prop: Property, raw: Any) -> Any:
    if isinstance(raw, bool | dict | list):
        raise ValueRefusedError(f"is an option, not {_shown_raw(raw)}.")
    word = str(raw).strip()
    number = number_of(raw)
    if not prop.options:
        # The list of fields may not be readable; then Pipedrive itself has to judge an id.
        if isinstance(number, int):
            return number
        raise ValueRefusedError(f"is the id of an option, a number; the options are not known: {word!r}.")
    labels: dict[str, list[Any]] = {}
    for option in prop.options:
        labels.setdefault(option.label.casefold(), []).append(option.id)
    found = labels.get(word.casefold(), [])
    ids = {str(option.id): option.id for option in prop.options}
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        raise ValueRefusedError(f"has several options `{word}`: write one of the ids {found}.")
    if word in ids:
        return ids[word]
    shown = [option.label for option in prop.options]
    listed = ", ".join(shown[:12]) + (", ..." if len(shown) > 12 else "")
    raise ValueRefusedError(f"has no option `{word}`.{did_you_mean(word, shown)} Options: {listed}.")


def several(raw: Any) -> list[Any]:
    """The values that are meant: the elements of a list, or what commas separate."""
    if isinstance(raw, list | tuple):
        return list(raw)
    opened = _opened(raw)
    if isinstance(opened, list):
        return opened
    if isinstance(raw, str):
        return [word.strip() for word in re.split("[,;]", raw) if word.strip()]
    return [raw]


def _opened(raw: Any) -> Any:
    """What a text holds as JSON, where it is an object or a list."""
    if isinstance(raw, str) and raw.strip()[:1] in ("{", "["):
        try:
            return json.loads(raw)
        except ValueError:
            return raw
    return raw


def _contacts(_prop: Property, raw: Any, _names: Names) -> list[dict[str, Any]]:
    contacts = []
    for one in several(raw):
        contact = dict(one) if isinstance(one, Mapping) else {"value": str(one).strip()}
        unknown = contact.keys() - set(_CONTACT)
        if unknown or not isinstance(contact.get("value"), str) or not contact["value"].strip():
            raise ValueRefusedError("is a list of addresses, or of objects with value, label and primary.")
        contacts.append(contact)
    if not any(contact.get("primary") for contact in contacts):
        contacts[0]["primary"] = True
    return [
        {key: contact[key] for key in _CONTACT if contact.get(key) is not None}
        | {"primary": bool(contact.get("primary"))}
        for contact in contacts
    ]


def _address(_prop: Property, raw: Any, _names: Names) -> dict[str, Any]:
    opened = _opened(raw)
    if isinstance(opened, str):
        return {"value": opened.strip()}
    if not isinstance(opened, Mapping) or opened.keys() - {*_ADDRESS, "formatted_address"}:
        raise ValueRefusedError(f"is an address, or an object of {', '.join(_ADDRESS)}.")
    parts = {key: str(opened[key]) for key in _ADDRESS if opened.get(key) is not None}
    if "value" not in parts:
        raise ValueRefusedError("needs the whole address as its value.")
    return parts


_MONEY = re.compile(
    r"(?P<number>-?[\d.]+)\s*(?P<currency>[A-Za-z]{3})|(?P<front>[A-Za-z]{3})\s*(?P<rest>-?[\d.]+)"
)


def _money(prop: Property, raw: Any, names: Names) -> dict[str, Any]:
    key = "amount" if prop.kind == "amount" else "value"
    number, currency = _parts_of_money(_opened(raw))
    if number is None:
        raise ValueRefusedError(f"is an amount and a currency such as 500 EUR, not {_shown_raw(raw)}.")
    if currency is None and key == "amount":
        raise ValueRefusedError("needs a currency: write it as 500 EUR.")
    money: dict[str, Any] = {key: number}
    if currency is not None:
        money["currency"] = names.id_of("currencies", str(currency).upper())
    return money


def _parts_of_money(raw: Any) -> tuple[int | float | None, str | None]:
    if isinstance(raw, Mapping):
        return number_of(raw.get("amount", raw.get("value"))), raw.get("currency")
    if isinstance(raw, str) and (found := _MONEY.fullmatch(raw.strip())):
        return number_of(found["number"] or found["rest"]), found["currency"] or found["front"]
    return number_of(raw), None


_RANGE = re.compile(r"\s+(?:to|until|-|–)\s+")


def _date_range(_prop: Property, raw: Any, _names: Names) -> dict[str, Any]:
    first, last, _ = _ends(raw, "2026-01-01 to 2026-01-31")
    days = {"value": _day(first), "until": _day(last)}
    if days["until"] < days["value"]:
        raise ValueRefusedError("ends before it begins.")
    return days


def _time_range(_prop: Property, raw: Any, _names: Names) -> dict[str, Any]:
    first, last, rest = _ends(raw, "09:00 to 17:00")
    return {"value": _time_of_day(first), "until": _time_of_day(last), **rest}


def _ends(raw: Any, example: str) -> tuple[Any, Any, dict[str, Any]]:
    raw = _opened(raw)
    if isinstance(raw, str):
        ends = _RANGE.split(raw.strip())
        if len(ends) == 2:
            return ends[0], ends[1], {}
    elif isinstance(raw, Mapping) and raw.get("value") is not None and raw.get("until") is not None:
        return raw["value"], raw["until"], _timezone(raw)
    raise ValueRefusedError(f"is a range such as {example}, not {_shown_raw(raw)}.")


def _timezone(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {} if raw.get("timezone_id") is None else {"timezone_id": raw["timezone_id"]}


def _time(_prop: Property, raw: Any, _names: Names) -> dict[str, Any]:
    raw = _opened(raw)
    if isinstance(raw, Mapping):
        return {"value": _time_of_day(raw.get("value")), **_timezone(raw)}
    return {"value": _time_of_day(raw)}


def _participants(_prop: Property, raw: Any, names: Names) -> list[dict[str, Any]]:
    given = [dict(one) if isinstance(one, Mapping) else {"person_id": one} for one in several(raw)]
    if any(one.keys() - {"person_id", "primary"} or "person_id" not in one for one in given):
        raise ValueRefusedError("is a list of persons, or of objects with person_id and primary.")
    if not any(one.get("primary") for one in given):
        given[0]["primary"] = True
    return [
        {"person_id": names.id_of("persons", one["person_id"]), "primary": bool(one.get("primary"))}
        for one in given
    ]


def _prices(_prop: Property, raw: Any, names: Names) -> list[dict[str, Any]]:
    prices = []
    for one in several(raw):
        if isinstance(one, Mapping):
            price = {key: one[key] for key in _PRICE if one.get(key) is not None}
            unknown = one.keys() - {*_PRICE, "product_id"}
        else:
            number, currency = _parts_of_money(one)
            price, unknown = {"price": number, "currency": currency}, set()
        number = number_of(price.get("price"))
        if unknown or number is None or not price.get("currency"):
            raise ValueRefusedError("is a list of prices such as 12.50 EUR, or of objects like that.")
        prices.append({**price, "price": number, "currency": names.id_of("currencies", price["currency"])})
    return prices


def _objects(_prop: Property, raw: Any, _names: Names) -> list[Any]:
    opened = _opened(raw)
    if not isinstance(opened, list) or not all(isinstance(one, Mapping) for one in opened):
        raise ValueRefusedError("is a list of objects, in JSON.")
    return opened


def _object(_prop: Property, raw: Any, _names: Names) -> dict[str, Any]:
    opened = _opened(raw)
    if not isinstance(opened, Mapping):
        raise ValueRefusedError("is an object, in JSON.")
    return dict(opened)


_Write = Callable[[Property, Any, Names], Any]

_WRITTEN: dict[str, _Write] = {
    **dict.fromkeys(_LONGEST, _text),
    **dict.fromkeys(("number", "percent", "whole", "whole percent"), _number),
    **dict.fromkeys(CHOICES, _choice),
    **dict.fromkeys(REFERENCES.keys() - SEVERAL, _reference),
    **dict.fromkeys(SEVERAL, _references),
    "upload": _upload,
    "option labels": _option_labels,
    "boolean": _boolean,
    "flag": _flag,
    "date": _date,
    "instant": _instant,
    "text instant": _instant,
    "clock": _clock,
    "visibility": _visibility,
    "text visibility": _visibility,
    "hex color": _hex_color,
    "option": _option,
    "options": _options,
    "contacts": _contacts,
    "address": _address,
    "amount": _money,
    "money": _money,
    "date range": _date_range,
    "time": _time,
    "time range": _time_range,
    "participants": _participants,
    "prices": _prices,
    "objects": _objects,
    "object": _object,
}


KINDS = frozenset(_WRITTEN)
"""All kinds of values."""


def _shown_raw(raw: Any) -> str:
    text = str(raw)
    return f"`{text if len(text) <= 40 else text[:39] + '…'}`"


class _Trusting:
    """Takes every id as it is: what an answer or a table has needs no looking up."""

    def id_of(self, _object_type: str, name: Any) -> Any:
        if isinstance(name, Mapping):
            name = name.get("value", name.get("id"))
        return str(name) if isinstance(name, uuid.UUID) else name

    def name_of(self, _object_type: str, _record_id: Any) -> str | None:
        return None


_TRUSTING = _Trusting()


def stored(prop: Property, value: Any) -> Any:
    """The value of a body for what an answer, or a column of our tables, has of a property.

    Whatever cannot be understood is kept as it is, and so differs from every value that is written.
    """
    if value is None or value == "":
        return [] if prop.kind in _EMPTY_LISTS or (prop.kind == "options" and not prop.is_custom) else None
    if isinstance(value, str) and prop.kind in ("participants", "prices", "objects", "object"):
        value = _opened(value)
    try:
        return _STORED.get(prop.kind, _stored_alike)(prop, value)
    except (ValueRefusedError, TypeError, AttributeError):
        return value


def _stored_alike(prop: Property, value: Any) -> Any:
    if value == []:
        return []
    return _WRITTEN[prop.kind](prop, value, _TRUSTING)


def _stored_text(_prop: Property, value: Any) -> Any:
    return value if isinstance(value, str) else str(value)


def _stored_option(_prop: Property, value: Any) -> Any:
    if isinstance(value, Mapping):
        value = value.get("id", value.get("value"))
    number = number_of(value)
    return value if number is None else number


def _stored_options(prop: Property, value: Any) -> Any:
    return [_stored_option(prop, one) for one in several(value)]


def _stored_structs(keys: Sequence[str]) -> Callable[[Property, Any], Any]:
    def parts(_prop: Property, value: Any) -> Any:
        return [{key: one[key] for key in keys if one.get(key) is not None} for one in value]

    return parts


def _stored_parts(prop: Property, value: Any) -> Any:
    if isinstance(value, Mapping):
        # What has no value is not there, however many empty parts it has.
        if value.get("value", value.get("amount")) is None:
            return None
        if prop.kind == "amount" and "amount" not in value:
            value = {"amount": value["value"], "currency": value.get("currency")}
    return _WRITTEN[prop.kind](prop, value, _TRUSTING)


_STORED: dict[str, Callable[[Property, Any], Any]] = {
    **dict.fromkeys((*_LONGEST, *CHOICES, "hex color"), _stored_text),
    "activity type": _stored_text,
    "upload": _stored_text,
    "option": _stored_option,
    "options": _stored_options,
    "contacts": _stored_structs(_CONTACT),
    "participants": _stored_structs(("person_id", "primary")),
    "prices": _stored_structs(_PRICE),
    **dict.fromkeys(
        ("amount", "money", "date range", "time", "time range", "address"), _stored_parts
    ),
}  # fmt: skip


_SETS = frozenset({"options"}) | SEVERAL


def same(prop: Property, one: Any, other: Any) -> bool:
    """Whether a property with the one value need not be written to have the other.

    Of parts only those count that the other value has: who writes an address as a text does not say which
    country it is in.
    """
    if prop.kind in _SETS and isinstance(one, list) and isinstance(other, list):
        return set(map(str, one)) == set(map(str, other))
    if prop.kind in ("text", "long text", "html") and isinstance(one, str) and isinstance(other, str):
        return one.strip() == other.strip()
    if prop.kind == "upload":
        return Path(str(one)).name == Path(str(other)).name
    if prop.kind == "text instant" and isinstance(one, str) and isinstance(other, str):
        return one[:19] == other[:19]
    return _covers(one, other)


def _covers(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return all(_covers(one.get(key), value) for key, value in other.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_covers, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def is_empty(value: Any) -> bool:
    """Whether a property with that value has none."""
    return value is None or value in ("", [])


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
