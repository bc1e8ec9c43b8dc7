"""The awkward records every real account has, put where even the smallest account has them.

Each function changes a few records that are neither deleted nor archived; times stay as they are, except
where having none is the point.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from pipedrive_orchestration.demo.generator.custom_values import CustomFieldSet
from pipedrive_orchestration.demo.generator.moments import DAY, Calendar, date_text
from pipedrive_orchestration.demo.generator.randomness import Record

_NAMES = (
    ("Zoë 🌞", "O'Brien-Müller"),
    ("محمد", "الأحمد"),
    ("שירה", "כהן"),
    ("美咲", "山田"),
    ("伟", "王"),
    ('Robert "Bobby"', "Tables'); DROP TABLE persons;--"),
    ("Line\nbreak", "Tab\tulator"),
    ("e\u0301", "Combining"),
)
_COMPANIES = (
    "👩‍🚀 Moonbase GmbH",
    "شركة الشمس المشرقة",
    "חברת השמש",
    "太陽光発電株式会社",
    'Quote "Un" quote, Ltd.',
    "C:\\new",
)
_LONG_TEXT = "The roof was measured again. " * 2_000
_NUMBERS = (0, -1, -1250.75, 0.1, 9_007_199_254_740_991, 999_999_999_999.99)
_NULL_UPDATE_TIMES = 4


def _live(records: dict[int, Record], skip: int = 0) -> Iterator[Record]:
    """Records neither deleted nor archived, the first ones left out."""
    live = (entry for entry in records.values() if not (entry["is_deleted"] or entry.get("is_archived")))
    return islice(live, skip, None)


def add_odd_contacts(persons: dict[int, Record], organizations: dict[int, Record]) -> None:
    """Names in other scripts and with hostile characters; contacts with no, one and several addresses."""
    _odd_names(_live(persons), _live(organizations))
    _contact_details(_live(persons, skip=10))


def add_odd_values(custom: Mapping[str, CustomFieldSet], records: Mapping[str, dict[int, Record]]) -> None:
    """Custom values at the limits of their types, for each object type given."""
    for object_type, entries in records.items():
        _custom_values(_live(entries, skip=5), custom[object_type])


def add_odd_deals(calendar: Calendar, deals: dict[int, Record], purged_persons: Sequence[int]) -> None:
    """Deals of persons that exist no more, far closing dates, odd amounts and a deal of nobody."""
    for deal, person_id in zip(_live(deals), purged_persons[:3], strict=False):
        deal["person_id"] = person_id
    next(_live(deals, skip=3))["expected_close_date"] = date_text(calendar.now + 400 * DAY)
    _deal_values(_live(deals, skip=20))


def add_odd_activities(activities: dict[int, Record]) -> None:
    """Activities with times in their short form, without any, and without a subject."""
    live = _live(activities)
    next(live).update(due_time="15:30", duration="00:45", busy=True)
    next(live).update(due_date=None, due_time=None, duration=None)
    next(live).update(subject=None, note=f"<p>{_LONG_TEXT}</p>")


def remove_update_times(*collections: dict[int, Record]) -> None:
    """Take ``update_time`` from a few records that were never edited, so that nothing contradicts it."""
    for records in collections:
        unedited = [entry for entry in _live(records) if _never_edited(entry)]
        for entry in unedited[-_NULL_UPDATE_TIMES:]:
            entry["update_time"] = None


def _never_edited(entry: Record) -> bool:
    return not any(entry.get(key) for key in ("marked_as_done_time", "close_time", "stage_change_time"))


def _odd_names(persons: Iterator[Record], organizations: Iterator[Record]) -> None:
    for (given, family), person in zip(_NAMES, persons, strict=False):
        person |= {"first_name": given, "last_name": family, "name": f"{given} {family}"}
    only_name = next(persons)
    only_name |= {"name": "Prince", "first_name": "Prince", "last_name": None, "org_id": None}
    for name, organization in zip(_COMPANIES, organizations, strict=False):
        organization["name"] = name


def _contact_details(persons: Iterator[Record]) -> None:
    next(persons)["emails"] = []
    next(persons)["phones"] = []
    several = [
        {"value": f"{word}+tag@mail.example", "primary": word == "first", "label": label}
        for word, label in (("first", "work"), ("second", "home"), ("third", "other"))
    ]
    next(persons)["emails"] = several
    next(persons)["im"] = [{"value": "solar.fan", "primary": True, "label": "skype"}]


def _custom_values(records: Iterator[Record], fields: CustomFieldSet) -> None:
    enum, options = fields.key("enum"), fields.key("set")
    wanted: list[tuple[str, Any]] = [
        *((fields.key("double"), number) for number in _NUMBERS),
        (fields.key("text"), _LONG_TEXT),
        (fields.key("text"), 'He said: "yes",\r\nthen\tleft; 100 % \\ 🌞 مرحبا 你好'),
        (fields.key("varchar"), "x" * 255),
        (fields.key("monetary"), {"value": 1250.5, "currency": None}),
        (fields.key("monetary"), {"value": -40, "currency": "EUR"}),
        (enum, fields.option_ids(enum, "_options_deleted")[0]),
        (options, fields.option_ids(options) + fields.option_ids(options, "_options_deleted")),
        (fields.key("address"), _bare_address()),
    ]
    for (key, value), record in zip(wanted, records, strict=False):
        record["custom_fields"][key] = value
    unset = next(records)["custom_fields"]
    for key in unset:
        unset[key] = None


def _bare_address() -> Record:
    """An address that Pipedrive could not look up: every part but the text is null."""
    parts = ("country", "admin_area_level_1", "admin_area_level_2", "locality", "sublocality", "route")
    others = ("street_number", "subpremise", "postal_code", "formatted_address")
    return {"value": "Behind the old mill"} | dict.fromkeys((*parts, *others))


def _deal_values(deals: Iterator[Record]) -> None:
    for number, deal in zip(_NUMBERS, deals, strict=False):
        deal["value"] = number
    next(deals)["title"] = "Line one\nline two, \"quoted\", 'single' and 🌞"
    next(deals).update(person_id=None, org_id=None)
