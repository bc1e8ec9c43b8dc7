"""What an account has before its first customer: users, currencies, pipelines, labels, filters."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from pipedrive_orchestration.demo.generator.moments import DAY, Calendar, millisecond_time, v1_time, v2_time
from pipedrive_orchestration.demo.generator.randomness import Record, stream, uuid_text
from pipedrive_orchestration.demo.generator.world import World

COMPANY_NAME = "Brightfield Solar"
COMPANY_DOMAIN = "brightfield-solar"
COMPANY_ID = 7_431_205
USERS = 12

_FIRST_USER_ID = 13_204_511
_DEACTIVATED = 8
"""Position of the user who left the company."""

_PIPELINES = (
    (
        "New installations",
        ("Qualified", "Site visit", "Offer sent", "Negotiation", "Permit & grid", "Contract signed"),
    ),
    ("Maintenance contracts", ("Inspection due", "Offer sent", "Negotiation", "Signed")),
    ("Storage upgrades", ("Interested", "Sizing", "Offer sent", "Ready to order")),
    ("Partners & resellers", ("First contact", "Evaluation", "Agreement")),
    ("Pilot 2023", ("Invited", "Running")),
)
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

LABELS = {
    "deals": (("Strategic", "purple"), ("Urgent, this week", "red"), ("Tender", "blue")),
    "persons": (("Customer", "green"), ("Hot lead", "red"), ("Do not call", "dark-gray")),
    "organizations": (("Customer", "green"), ("Supplier", "brown"), ("Competitor", "gray")),
}
"""Name and colour of the labels that ``label_ids`` of each object type may hold."""


@dataclass(frozen=True, slots=True)
class Company:
    """Who works for the company, in what world and since when; all its records start from this."""

    seed: int
    calendar: Calendar
    world: World
    users: dict[int, Record]

    @property
    def owners(self) -> list[int]:
        """Ids of everyone who may own records, the user who left included."""
        return list(self.users)


def make_users(seed: int, world: World, calendar: Calendar) -> dict[int, Record]:
    """The sales team in v1 shape (OpenAPI v1 /users); the first one is the token's owner."""
    rng = stream(seed, "users")
    users = (_user(position, rng, world, calendar) for position in range(USERS))
    return {user["id"]: user for user in users}


def _user(position: int, rng: Random, world: World, calendar: Calendar) -> Record:
    place = world.places[position % 8]
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


def make_me(users: dict[int, Record]) -> Record:
    """The owner of the token as OpenAPI v1 /users/me answers."""
    return next(iter(users.values())) | {
        "company_id": COMPANY_ID,
        "company_name": COMPANY_NAME,
        "company_domain": COMPANY_DOMAIN,
        "company_country": "DE",
        "company_industry": "Energy",
        "language": {"language_code": "en", "country_code": "US"},
    }


def make_currencies() -> dict[int, Record]:
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


def make_activity_types(calendar: Calendar) -> dict[int, Record]:
    """Activity types in v1 shape: Pipedrive's six, one of the company's own and one it gave up."""
    added = v1_time(calendar.opened)
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


def make_lead_labels(seed: int, calendar: Calendar) -> dict[str, Record]:
    """Lead labels in v1 shape, by their uuid."""
    rng = stream(seed, "lead labels")
    added = millisecond_time(calendar.opened, 120)
    labels = (
        {"id": uuid_text(rng), "name": name, "color": color, "add_time": added, "update_time": added}
        for name, color in _LEAD_LABELS
    )
    return {label["id"]: label for label in labels}


@dataclass(frozen=True, slots=True)
class Funnel:
    """A pipeline that is in use and its stages in their order."""

    pipeline_id: int
    stage_ids: list[int]
    weight: float


def make_pipelines(calendar: Calendar) -> tuple[dict[int, Record], dict[int, Record], list[Funnel]]:
    """Pipelines and stages in v2 shape, and those that deals can be in.

    The default pipeline and stages never edited have no ``update_time`` (docs/pipedrive-api.md#times); one
    pipeline is deleted with its stages.
    """
    pipelines: dict[int, Record] = {}
    stages: dict[int, Record] = {}
    funnels: list[Funnel] = []
    for position, (name, stage_names) in enumerate(_PIPELINES):
        identifier = position + 1
        is_deleted = name == _DELETED_PIPELINE
        added = calendar.opened + position * 20 * DAY
        pipelines[identifier] = {
            "id": identifier,
            "name": name,
            "order_nr": position,
            "is_deleted": is_deleted,
            "is_deal_probability_enabled": name != _PIPELINE_OF_PLAIN_STAGES,
            "add_time": v2_time(added),
            "update_time": v2_time(added + 40 * DAY) if position else None,
        }
        own = _stages(len(stages) + 1, identifier, stage_names, added, is_deleted=is_deleted)
        stages |= own
        if not is_deleted:
            funnels.append(Funnel(identifier, list(own), 4.0 / identifier))
    return pipelines, stages, funnels


def _stages(
    first_id: int, pipeline_id: int, names: tuple[str, ...], added: int, *, is_deleted: bool
) -> dict[int, Record]:
    rots = pipeline_id < 3
    return {
        first_id + position: {
            "id": first_id + position,
            "order_nr": position,
            "name": name,
            "is_deleted": is_deleted,
            "deal_probability": round(100 * (position + 1) / len(names)),
            "pipeline_id": pipeline_id,
            "is_deal_rot_enabled": rots,
            "days_to_rotten": 14 + 7 * position if rots else None,
            "add_time": v2_time(added),
            "update_time": v2_time(added + 5 * DAY) if pipeline_id > 1 else None,
        }
        for position, name in enumerate(names)
    }


def label_options(object_type: str) -> list[Record]:
    """The options of ``label_ids``; label ids are numbers, as in records."""
    first = {"deals": 11, "persons": 21, "organizations": 31}[object_type]
    return [
        {"id": first + position, "label": name, "color": color}
        for position, (name, color) in enumerate(LABELS[object_type])
    ]


def activity_type_options(activity_types: dict[int, Record]) -> list[Record]:
    """The options of an activity's ``type``, whose value is the type's ``key_string``."""
    return [{"id": entry["key_string"], "label": entry["name"]} for entry in activity_types.values()]


def make_filters(user_id: int, calendar: Calendar, fields: dict[str, list[Record]]) -> dict[int, Record]:
    """Saved filters in v1 shape, each with its ``conditions`` (docs/pipedrive-api.md#filters).

    Args:
        user_id: who saved them.
        calendar: when.
        fields: field objects by object type; conditions name them by their numeric v1 id.
    """
    wanted = (
        ("All open deals", "deals", "deals", "deal", "status", "=", "open"),
        ("Big deals", "deals", "deals", "deal", "value", ">", "50000"),
        ("People without organization", "people", "persons", "person", "org_id", "IS NULL", None),
        ("Limited companies", "org", "organizations", "organization", "name", "LIKE '%$%'", "Ltd"),
        ("Calls", "activity", "activities", "activity", "type", "=", "call"),
        ("Leads with a closing date", "leads", "deals", "deal", "expected_close_date", "IS NOT NULL", None),
        ("Products from T", "products", "products", "product", "name", "LIKE '$%'", "T"),
    )
    filters = {}
    for position, (name, kind, object_type, target, key, operator, value) in enumerate(wanted, start=1):
        field_id = next(field["_id"] for field in fields[object_type] if field["field_code"] == key)
        added = v1_time(calendar.opened + position * DAY)
        filters[position] = {
            "id": position,
            "name": name,
            "filter_code": None,
            "is_editable": True,
            "active_flag": True,
            "type": kind,
            "temporary_flag": None,
            "user_id": user_id,
            "add_time": added,
            "update_time": added,
            "visible_to": "7",
            "last_used_time": None,
            "custom_view_id": None,
            "conditions": _conditions(target, field_id, operator, value),
        }
    return filters


def _conditions(target: str, field_id: int, operator: str, value: str | None) -> Record:
    condition = {
        "object": target,
        "field_id": str(field_id),
        "operator": operator,
        "value": value,
        "extra_value": None,
        "json_value_flag": False,
    }
    return {
        "glue": "and",
        "conditions": [{"glue": "and", "conditions": [condition]}, {"glue": "or", "conditions": []}],
    }
