"""The awkward records every real account has, put where even the smallest account has them.

Each function changes a few records that are neither deleted nor archived; times stay as they are, except
where having none is the point.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from pipedrive_orchestration.demo.generator.business import Business
from pipedrive_orchestration.demo.generator.custom_values import CustomFieldSet
from pipedrive_orchestration.demo.generator.fields import ADDRESS_PARTS
from pipedrive_orchestration.demo.generator.moments import DAY, date_text
from pipedrive_orchestration.demo.generator.trends import OWNED_BY_WHO_LEFT, who_left
from pipedrive_orchestration.demo.records import Record, Records

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


def _live(records: Records, skip: int = 0) -> Iterator[Record]:
    """Records neither deleted nor archived, the first ones left out."""
    live = (entry for entry in records.values() if not (entry["is_deleted"] or entry.get("is_archived")))
    return islice(live, skip, None)


def odd_organizations(records: Records) -> None:
    """Names in other scripts and with hostile characters."""
    for name, organization in zip(_COMPANIES, _live(records), strict=False):
        organization["name"] = name


def odd_persons(records: Records) -> None:
    """Names likewise; contacts with no, one and several addresses."""
    live = _live(records)
    for (given, family), person in zip(_NAMES, live, strict=False):
        person |= {"first_name": given, "last_name": family, "name": f"{given} {family}"}
    next(live).update(name="Prince", first_name="Prince", last_name=None, org_id=None)
    live = _live(records, skip=10)
    next(live)["emails"] = []
    next(live)["phones"] = []
    next(live)["emails"] = [
        {"value": f"{word}+tag@mail.example", "primary": word == "first", "label": label}
        for word, label in (("first", "work"), ("second", "home"), ("third", "other"))
    ]
    next(live)["im"] = [{"value": "solar.fan", "primary": True, "label": "skype"}]


def add_oddities(business: Business) -> None:
    """Custom values at the limits of their types, odd deals and activities, records never changed."""
    for name in ("deals", "persons", "organizations"):
        _odd_values(_live(business[name], skip=5), business.custom(name))
    _odd_deals(business)
    _odd_activities(_live(business["activities"]))
    for name in ("deals", "persons", "organizations", "activities"):
        unedited = [record for record in _live(business[name]) if _never_edited(record)]
        for record in unedited[-_NULL_UPDATE_TIMES:]:
            record["update_time"] = None


def plant_defects(business: Business) -> None:
    """Mistakes that people make, and the list of those who hold them, by the rule that finds them."""
    deals, persons, organizations = (business[name] for name in ("deals", "persons", "organizations"))
    worked_on = (deal for deal in _live(deals, skip=28) if deal["status"] == "open" and deal["org_id"])
    worthless, unknown, left = (list(islice(worked_on, count)) for count in (2, 2, OWNED_BY_WHO_LEFT))
    for deal in worthless:
        deal["value"] = 0
    for deal in unknown:
        deal.update(person_id=None, org_id=None, participants_count=0)
    for deal in left:
        deal["owner_id"] = who_left(business)
    people = _live(persons, skip=30)
    unreachable = list(islice(people, 2))
    for person in unreachable:
        person.update(emails=[], phones=[])
    shared = list(islice((person for person in people if person["emails"]), 2))
    shared[-1]["emails"] = shared[0]["emails"]
    twins = list(islice(_live(organizations, skip=15), 2))
    twins[-1]["name"] = twins[0]["name"].upper()
    orphans = [deal for deal in deals.values() if deal["person_id"] and deal["person_id"] not in persons]
    found = {
        "deal_without_value": worthless,
        "deal_without_contact": unknown,
        "deal_of_deactivated_owner": left,
        "person_without_email_and_phone": unreachable,
        "same_email": shared,
        "same_organization_name": twins,
        "dangling_reference": [deal for deal in orphans if not (deal["is_deleted"] or deal["is_archived"])],
        "lost_without_reason": [
            deal for deal in _live(deals) if deal["status"] == "lost" and not deal["lost_reason"]
        ],
    }
    business.defects = {rule: [record["id"] for record in records] for rule, records in found.items()}


def _never_edited(record: Record) -> bool:
    return not any(record.get(key) for key in ("marked_as_done_time", "close_time", "stage_change_time"))


def _odd_deals(business: Business) -> None:
    """Deals of persons that exist no more, far closing dates, odd amounts and a deal of nobody."""
    deals = business["deals"]
    for deal, person_id in zip(_live(deals), business.purged("persons")[:3], strict=False):
        deal["person_id"] = person_id
    next(_live(deals, skip=3))["expected_close_date"] = date_text(business.calendar.now + 400 * DAY)
    # What is lost is in few figures, of which these would be all that one sees.
    lost = (deal for deal in _live(deals, skip=5) if deal["status"] == "lost")
    for number, deal in zip(_NUMBERS, lost, strict=False):
        deal["value"] = number
    live = _live(deals, skip=26)
    next(live)["title"] = "Line one\nline two, \"quoted\", 'single' and 🌞"
    next(live).update(person_id=None, org_id=None)


def _odd_activities(live: Iterator[Record]) -> None:
    """Activities with times in their short form, without any, and without a subject."""
    next(live).update(due_time="15:30", duration="00:45", busy=True)
    next(live).update(due_date=None, due_time=None, duration=None)
    next(live).update(subject=None, note=f"<p>{_LONG_TEXT}</p>")


def _odd_values(records: Iterator[Record], fields: CustomFieldSet) -> None:
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
        (fields.key("address"), dict.fromkeys(dict(ADDRESS_PARTS)) | {"value": "Behind the old mill"}),
    ]
    for (key, value), record in zip(wanted, records, strict=False):
        record["custom_fields"][key] = value
    unset = next(records)
    unset["custom_fields"] = dict.fromkeys(unset["custom_fields"])
