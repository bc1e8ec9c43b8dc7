"""What an account has before its first customer: users, currencies, pipelines, labels, filters."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from pipedrive_orchestration.demo.generator.business import Business
from pipedrive_orchestration.demo.generator.moments import DAY, millisecond_time, v1_time, v2_time
from pipedrive_orchestration.demo.generator.randomness import stream, uuid_text
from pipedrive_orchestration.demo.records import Record, Records, blank

COMPANY_DOMAIN = "brightfield-solar"

_USERS = 12
_FIRST_USER_ID = 13_204_511
_DEACTIVATED = 8
"""Position of the user who left the company."""

_PIPELINES = {
    "New installations": (
        *("Qualified", "Site visit", "Offer sent"),
        *("Negotiation", "Permit & grid", "Contract signed"),
    ),
    "Maintenance contracts": ("Inspection due", "Offer sent", "Negotiation", "Signed"),
    "Storage upgrades": ("Interested", "Sizing", "Offer sent", "Ready to order"),
    "Partners & resellers": ("First contact", "Evaluation", "Agreement"),
    "Pilot 2023": ("Invited", "Running"),
}
_DELETED_PIPELINE = "Pilot 2023"
_PIPELINE_OF_PLAIN_STAGES = "Partners & resellers"

_CURRENCIES = (
    ("EUR", "Euro", 2, "€"),
    ("USD", "US Dollar", 2, "$"),
    ("GBP", "British Pound", 2, "£"),
    ("BRL", "Brazilian Real", 2, "R$"),
    ("JPY", "Japanese Yen", 0, "¥"),
    ("CNY", "Chinese Yuan Renminbi", 2, "¥"),
    ("ILS", "Israeli New Shekel", 2, "₪"),
    ("SAR", "Saudi Riyal", 2, "﷼"),
    ("SEK", "Swedish Krona", 2, "kr"),
    ("CHF", "Swiss Franc", 2, "CHF"),
    ("KWD", "Kuwaiti Dinar", 3, "د.ك"),
    ("KWP", "Kilowatt peak", 1, "kWp"),
)
_CUSTOM_CURRENCY = "KWP"

_ACTIVITY_TYPES = (
    ("call", "Call", "call"),
    ("meeting", "Meeting", "meeting"),
    ("task", "Task", "task"),
    ("deadline", "Deadline", "deadline"),
    ("email", "Email", "email"),
    ("lunch", "Lunch", "lunch"),
    ("site_visit", "Site visit", "car"),
    ("trade_fair", "Trade fair", "plane"),
)
_BUILT_IN_ACTIVITY_TYPES = 6

_LEAD_LABELS = (("Hot", "red"), ("Warm", "yellow"), ("Cold", "blue"), ("Trade fair", "purple"))

_FILTERS = (
    ("All open deals", "deals", "deals", "deal", "status", "=", "open"),
    ("Big deals", "deals", "deals", "deal", "value", ">", "50000"),
    ("People without organization", "people", "persons", "person", "org_id", "IS NULL", None),
    ("Limited companies", "org", "organizations", "organization", "name", "LIKE '%$%'", "Ltd"),
    ("Calls", "activity", "activities", "activity", "type", "=", "call"),
    ("Leads with a closing date", "leads", "deals", "deal", "expected_close_date", "IS NOT NULL", None),
    ("Products from T", "products", "products", "product", "name", "LIKE '$%'", "T"),
    ("Open projects", "projects", "projects", "project", "status", "=", "open"),
)
"""Of each: name, type, whose fields it asks for, their object, the field, operator and value."""


def users(business: Business) -> Records:
    """The sales team in v1 shape; the first one is the token's owner."""
    rng = stream(business.seed, "users")
    records = [_user(business, rng, position) for position in range(_USERS)]
    return {record["id"]: record for record in records}


def _user(business: Business, rng: Random, position: int) -> Record:
    place, calendar = business.world.places[position % 8], business.calendar
    given, family = place.person_name(rng)
    is_me, is_active = position == 0, position != _DEACTIVATED
    created = calendar.opened + position * 37 * DAY
    return {
        "id": _FIRST_USER_ID + position * 1_379,
        "name": f"{given.written} {family.written}",
        "default_currency": place.country.currency,
        "locale": place.country.locale,
        "lang": 1,
        "email": f"{given.ascii}.{family.ascii}@{COMPANY_DOMAIN}.example",
        "phone": place.phone(rng) if position % 3 else None,
        "activated": True,
        "last_login": v1_time(calendar.now - rng.getrandbits(17) if is_active else created + 90 * DAY),
        "created": v1_time(created),
        "modified": v1_time(calendar.later(rng, created)) if position % 4 else None,
        "has_created_company": is_me,
        "access": [
            {"app": app, "admin": is_me or app == "global", "permission_set_id": uuid_text(rng)}
            for app in ("sales", "global", "account_settings")[: 3 if is_me else 2]
        ],
        "active_flag": is_active,
        "timezone_name": place.country.timezone,
        "timezone_offset": "+00:00" if place.country.timezone == "Europe/London" else "+02:00",
        "role_id": 1 if is_me else 2,
        "icon_url": None,
        "is_you": is_me,
        "is_deleted": False,
        "is_admin": int(is_me),
    }


def me(business: Business) -> Record:
    """The owner of the token as ``/users/me`` answers."""
    return next(iter(business["users"].values())) | {
        "company_id": 7_431_205,
        "company_name": "Brightfield Solar",
        "company_domain": COMPANY_DOMAIN,
        "company_country": "DE",
        "company_industry": "Energy",
        "language": {"language_code": "en", "country_code": "US"},
    }


def currencies(_business: Business) -> Records:
    """Currencies in v1 shape; one is the company's own and out of use."""
    return {
        position: {
            "id": position,
            "code": code,
            "name": name,
            "decimal_points": decimals,
            "symbol": symbol,
            "active_flag": code != _CUSTOM_CURRENCY,
            "is_custom_flag": code == _CUSTOM_CURRENCY,
        }
        for position, (code, name, decimals, symbol) in enumerate(_CURRENCIES, start=1)
    }


def activity_types(business: Business) -> Records:
    """Activity types in v1 shape: Pipedrive's six, one of the company's own and one it gave up."""
    added = v1_time(business.calendar.opened)
    return {
        position: {
            "id": position,
            "name": name,
            "icon_key": icon,
            "color": None,
            "order_nr": position,
            "key_string": key,
            "active_flag": key != "trade_fair",
            "is_custom_flag": position > _BUILT_IN_ACTIVITY_TYPES,
            "add_time": added,
            "update_time": added if position > _BUILT_IN_ACTIVITY_TYPES else None,
        }
        for position, (key, name, icon) in enumerate(_ACTIVITY_TYPES, start=1)
    }


def lead_labels(business: Business) -> Records:
    """Lead labels in v1 shape, by their uuid."""
    rng = stream(business.seed, "lead labels")
    added = millisecond_time(business.calendar.opened, 120)
    labels = (
        {"id": uuid_text(rng), "name": name, "color": color, "add_time": added, "update_time": added}
        for name, color in _LEAD_LABELS
    )
    return {label["id"]: label for label in labels}


def pipelines(business: Business) -> Records:
    """Pipelines in v2 shape, one of them deleted.

    The default pipeline and stages never edited have no ``update_time`` (docs/pipedrive-api.md#times).
    """
    return {
        position + 1: {
            "id": position + 1,
            "name": name,
            "order_nr": position,
            "is_deleted": name == _DELETED_PIPELINE,
            "is_deal_probability_enabled": name != _PIPELINE_OF_PLAIN_STAGES,
            "add_time": v2_time(_begun(business, position)),
            "update_time": v2_time(_begun(business, position) + 40 * DAY) if position else None,
        }
        for position, name in enumerate(_PIPELINES)
    }


def _begun(business: Business, position: int) -> int:
    return business.calendar.opened + position * 20 * DAY


def stages(business: Business) -> Records:
    """Stages in v2 shape."""
    records: Records = {}
    for pipeline in business["pipelines"].values():
        names, added = _PIPELINES[pipeline["name"]], _begun(business, pipeline["order_nr"])
        rots = pipeline["id"] < 3
        for position, name in enumerate(names):
            identifier = len(records) + 1
            records[identifier] = {
                "id": identifier,
                "order_nr": position,
                "name": name,
                "is_deleted": pipeline["is_deleted"],
                "deal_probability": round(100 * (position + 1) / len(names)),
                "pipeline_id": pipeline["id"],
                "is_deal_rot_enabled": rots,
                "days_to_rotten": 14 + 7 * position if rots else None,
                "add_time": v2_time(added),
                "update_time": v2_time(added + 5 * DAY) if pipeline["id"] > 1 else None,
            }
    return records


@dataclass(frozen=True, slots=True)
class Funnel:
    """A pipeline that is in use, its stages in their order, and how often deals are in it."""

    pipeline_id: int
    stage_ids: list[int]
    weight: float


def funnels(business: Business) -> list[Funnel]:
    """The pipelines that deals can be in."""
    return [
        Funnel(one, [s["id"] for s in business["stages"].values() if s["pipeline_id"] == one], 4.0 / one)
        for one, pipeline in business["pipelines"].items()
        if not pipeline["is_deleted"]
    ]


def filters(business: Business) -> Records:
    """Saved filters in v1 shape, each with its ``conditions`` (docs/pipedrive-api.md#filters)."""
    records: Records = {}
    for position, (name, kind, collection, target, key, operator, value) in enumerate(_FILTERS, start=1):
        fields = business.fields[collection]
        field_id = next(field["_id"] for field in fields if field["field_code"] == key)
        added = v1_time(business.calendar.opened + position * DAY)
        condition = {
            "object": target,
            "field_id": str(field_id),
            "operator": operator,
            "value": value,
            "extra_value": None,
            "json_value_flag": False,
        }
        groups = [{"glue": "and", "conditions": [condition]}, {"glue": "or", "conditions": []}]
        records[position] = blank("filters") | {
            "id": position,
            "name": name,
            "is_editable": True,
            "active_flag": True,
            "type": kind,
            "temporary_flag": None,
            "user_id": business.owners[0],
            "add_time": added,
            "update_time": added,
            "visible_to": "7",
            "conditions": {"glue": "and", "conditions": groups},
        }
    return records
