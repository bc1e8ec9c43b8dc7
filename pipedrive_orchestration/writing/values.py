"""Values as people, files and tables write them, in the one form that the body of a write takes.

Whatever comes in becomes that form, JSON, so that values of any origin can be compared
(:mod:`pipedrive_orchestration.writing.stored`). It depends on the kind of the property;
:mod:`pipedrive_orchestration.pipedrive.requests` says which kind each has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from pipedrive_orchestration.pipedrive.responses import parse_time
from pipedrive_orchestration.sources.validation import did_you_mean
from pipedrive_orchestration.writing.kinds import (
    CHOICES,
    CONTACT,
    EMPTY_LISTS,
    PRICE,
    REFERENCES,
    SEVERAL,
    Names,
    Property,
    ValueRefusedError,
    from_json,
    number_of,
    several,
)

_VISIBILITY = (1, 3, 5, 7)
LONGEST = {"text": 255, "long text": 65_535, "html": 100 * 1024}
"""Kinds that are texts, and their longest: of HTML in bytes, of the others in characters."""
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
    value = understood(prop, raw, names)
    return not value if prop.is_opposite else value


def understood(prop: Property, raw: Any, names: Names) -> Any:
    """The value that something means that is there.

    Raises:
        ValueRefusedError: the property does not take it.
    """
    return _WRITTEN[prop.kind](prop, raw, names)


def _cleared(prop: Property) -> Any:
    if prop.kind in EMPTY_LISTS or (prop.kind == "options" and not prop.is_custom):
        return []
    if not prop.clearable:
        raise ValueRefusedError("cannot be empty.")
    return None


def _text(prop: Property, raw: Any, _names: Names) -> str:
    if isinstance(raw, bool | list | dict):
        raise ValueRefusedError(f"is a text, not {_shown_raw(raw)}.")
    text = str(raw).strip() if prop.kind == "text" else str(raw)
    longest = LONGEST[prop.kind]
    if len(text.encode() if prop.kind == "html" else text) > longest:
        raise ValueRefusedError(f"is longer than {longest:,} characters.")
    if "\0" in text:
        raise ValueRefusedError("must not contain a NUL character.")
    return text


_DECIMAL_COMMA = re.compile(r"-?(\d+|\d{1,3}([. \u00a0\u202f']\d{3})+),\d{1,2}")
"""A number as most of Europe writes it: nobody groups one or two digits."""

_DECIMAL_POINT = re.compile(r"-?\d{1,3}([,' \u00a0\u202f]\d{3})+\.\d+")
"""A number with its thousands grouped, and a point after which it is certain what the groups are."""


def _number_in(raw: Any) -> int | float | None:
    """The number that somebody means, in the spellings that mean one only."""
    if isinstance(raw, str):
        text = raw.strip()
        if _DECIMAL_COMMA.fullmatch(text):
            return number_of(re.sub(r"[^\d,-]", "", text).replace(",", "."))
        if _DECIMAL_POINT.fullmatch(text):
            return number_of(re.sub(r"[^\d.-]", "", text))
    return number_of(raw)


def _number(prop: Property, raw: Any, _names: Names) -> int | float:
    number = _number_in(raw)
    if number is None:
        raise ValueRefusedError(f"is a number such as 1234.5, not {_shown_raw(raw)}.")
    if "percent" in prop.kind and not 0 <= number <= 100:
        raise ValueRefusedError("is a number from 0 to 100.")
    if prop.kind.startswith("whole") and not isinstance(number, int):
        raise ValueRefusedError(f"is a whole number, not {_shown_raw(raw)}.")
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
    found = re.fullmatch(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", text)
    if found is not None:
        # With points the day comes first wherever dates are written so; with slashes it may be the month.
        try:
            return date(int(found[3]), int(found[2]), int(found[1])).isoformat()
        except ValueError:
            pass
    raise ValueRefusedError(f"is a date such as 2026-12-31 or 31.12.2026, not {_shown_raw(raw)}.")


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


def _contacts(_prop: Property, raw: Any, _names: Names) -> list[dict[str, Any]]:
    contacts = []
    for one in several(raw):
        contact = dict(one) if isinstance(one, Mapping) else {"value": str(one).strip()}
        unknown = contact.keys() - set(CONTACT)
        if unknown or not isinstance(contact.get("value"), str) or not contact["value"].strip():
            raise ValueRefusedError("is a list of addresses, or of objects with value, label and primary.")
        contacts.append(contact)
    if not any(contact.get("primary") for contact in contacts):
        contacts[0]["primary"] = True
    return [
        {key: contact[key] for key in CONTACT if contact.get(key) is not None}
        | {"primary": bool(contact.get("primary"))}
        for contact in contacts
    ]


def _address(_prop: Property, raw: Any, _names: Names) -> dict[str, Any]:
    opened = from_json(raw)
    if isinstance(opened, str):
        return {"value": opened.strip()}
    if not isinstance(opened, Mapping) or opened.keys() - {*_ADDRESS, "formatted_address"}:
        raise ValueRefusedError(f"is an address, or an object of {', '.join(_ADDRESS)}.")
    parts = {key: str(opened[key]) for key in _ADDRESS if opened.get(key) is not None}
    if "value" not in parts:
        raise ValueRefusedError("needs the whole address as its value.")
    return parts


_MONEY = re.compile(
    r"(?P<number>-?\d[\d.,' ]*?)\s*(?P<currency>[A-Za-z]{3})|(?P<front>[A-Za-z]{3})\s*(?P<rest>-?\d[\d.,' ]*)"
)


def _money(prop: Property, raw: Any, names: Names) -> dict[str, Any]:
    key = "amount" if prop.kind == "amount" else "value"
    number, currency = _parts_of_money(from_json(raw))
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
        return _number_in(found["number"] or found["rest"]), found["currency"] or found["front"]
    return _number_in(raw), None


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
    raw = from_json(raw)
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
    raw = from_json(raw)
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
            price = {key: one[key] for key in PRICE if one.get(key) is not None}
            unknown = one.keys() - {*PRICE, "product_id"}
        else:
            number, currency = _parts_of_money(one)
            price, unknown = {"price": number, "currency": currency}, set()
        number = number_of(price.get("price"))
        if unknown or number is None or not price.get("currency"):
            raise ValueRefusedError("is a list of prices such as 12.50 EUR, or of objects like that.")
        prices.append({**price, "price": number, "currency": names.id_of("currencies", price["currency"])})
    return prices


def _objects(_prop: Property, raw: Any, _names: Names) -> list[Any]:
    opened = from_json(raw)
    if not isinstance(opened, list) or not all(isinstance(one, Mapping) for one in opened):
        raise ValueRefusedError("is a list of objects, in JSON.")
    return opened


def _object(_prop: Property, raw: Any, _names: Names) -> dict[str, Any]:
    opened = from_json(raw)
    if not isinstance(opened, Mapping):
        raise ValueRefusedError("is an object, in JSON.")
    return dict(opened)


_Write = Callable[[Property, Any, Names], Any]

_WRITTEN: dict[str, _Write] = {
    **dict.fromkeys(LONGEST, _text),
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
