"""What an account has before its first customer: users with rights and goals, pipelines, labels, filters."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Any

from pipedrive_orchestration.demo.generator.business import Business
from pipedrive_orchestration.demo.generator.moments import DAY, date_text, millisecond_time, v1_time, v2_time
from pipedrive_orchestration.demo.generator.randomness import stream, uuid_text
from pipedrive_orchestration.demo.records import Record, Records, blank

COMPANY_DOMAIN = "brightfield-solar"
COMPANY_ID = 7_431_205

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

_ROLES = (("Management", None), ("Sales", 1), ("Installation", 2), ("Service", 2))
_TEAMS = (
    ("Rooftop", "Plants on roofs up to 100 kWp", True),
    ("Storage", "Batteries, new and beside plants that are there", True),
    ("Pilot 2023", "The team of the pilot", False),
)
_WEBHOOKS = (
    ("Deals to the warehouse", "*", "deal", "https://hooks.brightfield-solar.example/deals", 200),
    ("New persons to the newsletter", "create", "person", "https://news.brightfield-solar.example/in", 200),
    ("Old ticket system", "change", "organization", "https://tickets.brightfield-solar.example/pd", 503),
)
_SOURCES = (
    "Manually created", "Deal", "Web forms", "Prospector", "Leadbooster", "Live chat", "Import",
    "Website visitors", "Workflow automation", "API",
)  # fmt: skip
_PERMISSION_SETS = {
    ("sales", True): ("Deals admin", "See and edit all sales data, manage pipelines and lost reasons"),
    ("sales", False): ("Deals regular user", "Access to deals and leads within the user's visibility"),
    ("global", True): ("Global admin", "See and edit contacts, activities and reports of everyone"),
    ("global", False): ("Global regular user", "Access to contacts, activities and reports"),
    ("account_settings", True): ("Account settings", "Billing, security, company settings, users"),
}
_GOALS: tuple[tuple[str, str, str, dict[str, Any], str, int, bool], ...] = (
    ("New plants", "deals_won", "company", {"pipeline_id": [1]}, "sum", 900_000, True),
    ("Deals begun", "deals_started", "person", {"pipeline_id": [1, 2]}, "quantity", 12, True),
    ("Calls of a week", "activities_completed", "person", {"activity_type_id": [1]}, "quantity", 40, True),
    ("Offers sent", "deals_progressed", "team", {"pipeline_id": [1], "stage_id": 3}, "quantity", 20, True),
    ("Visits of the pilot", "activities_added", "company", {"activity_type_id": [7]}, "quantity", 5, False),
)
"""Of each: title, type, assignee's type, the type's parameters, metric, target, and whether it is active."""


def numbered(name: str, records: Iterable[Record]) -> Records:
    """Records of a collection by ids from 1, each with the keys given and those of a blank one."""
    return {number: blank(name) | record | {"id": number} for number, record in enumerate(records, start=1)}


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
    return blank("users") | {
        "id": _FIRST_USER_ID + position * 1_379, "name": f"{given.written} {family.written}",
        "email": f"{given.ascii}.{family.ascii}@{COMPANY_DOMAIN}.example",
        "phone": place.phone(rng) if position % 3 else None,
        "default_currency": place.country.currency, "locale": place.country.locale, "lang": 1,
        "timezone_name": place.country.timezone,
        "timezone_offset": "+00:00" if place.country.timezone == "Europe/London" else "+02:00",
        "activated": True, "active_flag": is_active, "is_you": is_me, "is_admin": int(is_me),
        "last_login": v1_time(calendar.now - rng.getrandbits(17) if is_active else created + 90 * DAY),
        "created": v1_time(created),
        "modified": v1_time(calendar.later(rng, created)) if position % 4 else None,
        "has_created_company": is_me, "role_id": 1 if is_me else 2,
        "access": [
            {"app": app, "admin": is_me or app == "global", "permission_set_id": uuid_text(rng)}
            for app in ("sales", "global", "account_settings")[: 3 if is_me else 2]
        ],
    }  # fmt: skip


def me(business: Business) -> Record:
    """The owner of the token as ``/users/me`` answers."""
    return next(iter(business["users"].values())) | {
        "company_id": COMPANY_ID,
        "company_name": "Brightfield Solar",
        "company_domain": COMPANY_DOMAIN,
        "company_country": "DE",
        "company_industry": "Energy",
        "language": {"language_code": "en", "country_code": "US"},
    }


def currencies(_business: Business) -> Records:
    """Currencies in v1 shape; one is the company's own and out of use."""
    return numbered(
        "currencies",
        (
            {
                "code": code, "name": name, "decimal_points": decimals, "symbol": symbol,
                "active_flag": code != _CUSTOM_CURRENCY, "is_custom_flag": code == _CUSTOM_CURRENCY,
            }
            for code, name, decimals, symbol in _CURRENCIES
        ),
    )  # fmt: skip


def activity_types(business: Business) -> Records:
    """Activity types in v1 shape: Pipedrive's six, one of the company's own and one it gave up."""
    added = v1_time(business.calendar.opened)
    return numbered(
        "activity_types",
        (
            {
                "name": name, "icon_key": icon, "order_nr": position, "key_string": key,
                "active_flag": key != "trade_fair", "is_custom_flag": position > _BUILT_IN_ACTIVITY_TYPES,
                "add_time": added, "update_time": added if position > _BUILT_IN_ACTIVITY_TYPES else None,
            }
            for position, (key, name, icon) in enumerate(_ACTIVITY_TYPES, start=1)
        ),
    )  # fmt: skip


def lead_labels(business: Business) -> Records:
    """Lead labels in v1 shape, by their uuid."""
    rng = stream(business.seed, "lead labels")
    times = dict.fromkeys(("add_time", "update_time"), millisecond_time(business.calendar.opened, 120))
    labels = ({"id": uuid_text(rng), "name": name, "color": color} for name, color in _LEAD_LABELS)
    return {label["id"]: label | times for label in labels}


def pipelines(business: Business) -> Records:
    """Pipelines in v2 shape, one of them deleted.

    The default pipeline and stages never edited have no ``update_time`` (docs/pipedrive-api.md#times).
    """
    return numbered(
        "pipelines",
        (
            {
                "name": name,
                "order_nr": position,
                "is_deleted": name == _DELETED_PIPELINE,
                "is_deal_probability_enabled": name != _PIPELINE_OF_PLAIN_STAGES,
                "add_time": v2_time(_begun(business, position)),
                "update_time": v2_time(_begun(business, position) + 40 * DAY) if position else None,
            }
            for position, name in enumerate(_PIPELINES)
        ),
    )


def _begun(business: Business, position: int) -> int:
    return business.calendar.opened + position * 20 * DAY


def stages(business: Business) -> Records:
    """Stages in v2 shape."""
    records = []
    for pipeline in business["pipelines"].values():
        names, added = _PIPELINES[pipeline["name"]], _begun(business, pipeline["order_nr"])
        rots = pipeline["id"] < 3
        for position, name in enumerate(names):
            records.append(
                {
                    "name": name, "order_nr": position, "pipeline_id": pipeline["id"],
                    "is_deleted": pipeline["is_deleted"],
                    "deal_probability": round(100 * (position + 1) / len(names)),
                    "is_deal_rot_enabled": rots, "days_to_rotten": 14 + 7 * position if rots else None,
                    "add_time": v2_time(added),
                    "update_time": v2_time(added + 5 * DAY) if pipeline["id"] > 1 else None,
                }
            )  # fmt: skip
    return numbered("stages", records)


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
    records = []
    for position, (name, kind, collection, target, key, operator, value) in enumerate(_FILTERS, start=1):
        fields = business.fields[collection]
        field_id = next(field["_id"] for field in fields if field["field_code"] == key)
        condition = {
            "object": target, "field_id": str(field_id), "operator": operator, "value": value,
            "extra_value": None, "json_value_flag": False,
        }  # fmt: skip
        groups = [{"glue": "and", "conditions": [condition]}, {"glue": "or", "conditions": []}]
        records.append(
            {
                "name": name, "type": kind, "conditions": {"glue": "and", "conditions": groups},
                "is_editable": True, "active_flag": True, "temporary_flag": None, "visible_to": "7",
                "user_id": business.owners[0],
                **_added(v1_time(business.calendar.opened + position * DAY)),
            }
        )  # fmt: skip
    return numbered("filters", records)


def _added(time: str) -> Record:
    return {"add_time": time, "update_time": time}


def roles(business: Business) -> Records:
    """The roles of users, as a tree; counts are texts, as Pipedrive writes them."""
    assigned = Counter(user["role_id"] for user in business["users"].values())
    parents = [parent for _, parent in _ROLES]
    return numbered(
        "roles",
        (
            {
                "parent_role_id": parent, "name": name, "active_flag": True,
                "assignment_count": str(assigned[place]), "sub_role_count": str(parents.count(place)),
                "level": 1 if parent is None else 2 if parent == 1 else 3,
            }
            for place, (name, parent) in enumerate(_ROLES, start=1)
        ),
    )  # fmt: skip


def permission_sets(business: Business) -> Records:
    """The permission sets; users with the same right to an app share one, which changes these users."""
    ids: dict[tuple[str, bool], str] = {}
    assigned: Counter[str] = Counter()
    for user in business["users"].values():
        for access in user["access"]:
            right = (access["app"], access["admin"])
            access["permission_set_id"] = ids.setdefault(right, access["permission_set_id"])
            assigned[access["permission_set_id"]] += 1
    return {
        identifier: {
            "id": identifier, "app": app, "type": "admin" if is_admin else "regular",
            "name": _PERMISSION_SETS[app, is_admin][0], "description": _PERMISSION_SETS[app, is_admin][1],
            "assignment_count": assigned[identifier],
        }
        for (app, is_admin), identifier in ids.items()
    }  # fmt: skip


def legacy_teams(business: Business) -> Records:
    """The teams; the last one is not active any more."""
    owners, opened = business.owners, business.calendar.opened
    return numbered(
        "legacy_teams",
        (
            {
                "name": name, "description": description, "add_time": v1_time(opened + place * 9 * DAY),
                "manager_id": owners[place], "users": owners[place : place + 4],
                "active_flag": int(is_active), "deleted_flag": 0, "created_by_user_id": owners[0],
            }
            for place, (name, description, is_active) in enumerate(_TEAMS, start=1)
        ),
    )  # fmt: skip


def webhooks(business: Business) -> Records:
    """The webhooks of the company, each with the password that Pipedrive sends along."""
    calendar = business.calendar
    owner = dict.fromkeys(("owner_id", "user_id", "admin_id"), business.owners[0])
    return numbered(
        "webhooks",
        (
            {
                **owner, "company_id": COMPANY_ID, "name": name, "subscription_url": url, "type": "general",
                "event_action": action, "event_object": target, "version": "2.0", "is_active": 1,
                "add_time": millisecond_time(calendar.opened + place * 30 * DAY),
                "http_auth_user": "pipedrive" if place == 1 else None,
                "http_auth_password": "never-to-be-stored" if place == 1 else None,
                "last_delivery_time": millisecond_time(calendar.now - place * 3_600),
                "last_http_status": status,
            }
            for place, (name, action, target, url, status) in enumerate(_WEBHOOKS, start=1)
        ),
    )  # fmt: skip


def lead_sources(_business: Business) -> Records:
    """The sources that leads come from: names alone, which are fixed."""
    return {name: {"id": name, "name": name} for name in _SOURCES}


def user_connections(_business: Business) -> Records:
    """The services that the token's user is connected to, and the ids there."""
    return {"google": {"id": "google", "service": "google", "third_party_id": "109238475610293847561"}}


def goals(business: Business) -> Records:
    """The goals of the company, of a team and of persons, by their 32-hex ids."""
    owners, calendar = business.owners, business.calendar
    assignees = {"company": COMPANY_ID, "person": owners[1], "team": 1}
    duration = {"start": date_text(calendar.opened + 30 * DAY), "end": date_text(calendar.now + 200 * DAY)}
    records: Records = {}
    for place, (title, kind, assignee, parameters, metric, target, is_active) in enumerate(_GOALS):
        identifier = hex_key(business, f"goal {place}")
        currency = {"currency_id": 1} if metric == "sum" else {}
        records[identifier] = {
            "id": identifier, "owner_id": owners[0], "title": title,
            "type": {"name": kind, "params": parameters},
            # The second one is the token's own: asked for nothing, the list has no more than that.
            "assignee": {"type": assignee, "id": owners[0] if place == 1 else assignees[assignee]},
            "interval": "weekly" if metric == "quantity" else "monthly",
            "duration": duration,
            "expected_outcome": {"target": target, "tracking_metric": metric, **currency},
            "is_active": is_active,
            "report_ids": [hex_key(business, f"report {place}")] if place < 3 else [],
        }  # fmt: skip
    return records


def hex_key(business: Business, what: str) -> str:
    """The id of something whose ids are 32 hex digits."""
    return hashlib.sha256(f"{business.seed}/{what}".encode()).hexdigest()[:32]
