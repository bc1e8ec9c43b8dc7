"""What an administrator sets up, in v1 shape: roles, permission sets, teams, webhooks, connections."""

from __future__ import annotations

from collections import Counter

from pipedrive_orchestration.demo.generator.business import Business
from pipedrive_orchestration.demo.generator.moments import DAY, millisecond_time, v1_time
from pipedrive_orchestration.demo.records import Records

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
_NAMES_OF_SETS = {
    ("sales", True): ("Deals admin", "See and edit all sales data, manage pipelines and lost reasons"),
    ("sales", False): ("Deals regular user", "Access to deals and leads within the user's visibility"),
    ("global", True): ("Global admin", "See and edit contacts, activities and reports of everyone"),
    ("global", False): ("Global regular user", "Access to contacts, activities and reports"),
    ("account_settings", True): ("Account settings", "Billing, security, company settings, users"),
}


def roles(business: Business) -> Records:
    """The roles of users, as a tree; counts are texts, as Pipedrive writes them."""
    assigned = Counter(user["role_id"] for user in business["users"].values())
    parents = [parent for _, parent in _ROLES]
    return {
        place: {
            "id": place,
            "parent_role_id": parent,
            "name": name,
            "active_flag": True,
            "assignment_count": str(assigned[place]),
            "sub_role_count": str(parents.count(place)),
            "level": 1 if parent is None else 2 if parent == 1 else 3,
        }
        for place, (name, parent) in enumerate(_ROLES, start=1)
    }


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
            "id": identifier,
            "name": _NAMES_OF_SETS[app, is_admin][0],
            "description": _NAMES_OF_SETS[app, is_admin][1],
            "app": app,
            "type": "admin" if is_admin else "regular",
            "assignment_count": assigned[identifier],
        }
        for (app, is_admin), identifier in ids.items()
    }


def legacy_teams(business: Business) -> Records:
    """The teams; the last one is not active any more."""
    owners, opened = business.owners, business.calendar.opened
    return {
        place: {
            "id": place,
            "name": name,
            "description": description,
            "manager_id": owners[place],
            "users": owners[place : place + 4],
            "active_flag": int(is_active),
            "deleted_flag": 0,
            "add_time": v1_time(opened + place * 9 * DAY),
            "created_by_user_id": owners[0],
        }
        for place, (name, description, is_active) in enumerate(_TEAMS, start=1)
    }


def webhooks(business: Business) -> Records:
    """The webhooks of the company, each with the password that Pipedrive sends along."""
    owner, calendar = business.owners[0], business.calendar
    return {
        place: {
            "id": place,
            "company_id": 7_431_205,
            "owner_id": owner,
            "user_id": owner,
            "event_action": action,
            "event_object": target,
            "subscription_url": url,
            "version": "2.0",
            "is_active": 1,
            "add_time": millisecond_time(calendar.opened + place * 30 * DAY),
            "remove_time": None,
            "type": "general",
            "http_auth_user": "pipedrive" if place == 1 else None,
            "http_auth_password": "never-to-be-stored" if place == 1 else None,
            "remove_reason": None,
            "last_delivery_time": millisecond_time(calendar.now - place * 3_600),
            "last_http_status": status,
            "admin_id": owner,
            "name": name,
        }
        for place, (name, action, target, url, status) in enumerate(_WEBHOOKS, start=1)
    }


def lead_sources(_business: Business) -> Records:
    """The sources that leads come from: names alone, which are fixed."""
    return {name: {"id": name, "name": name} for name in _SOURCES}


def user_connections(_business: Business) -> Records:
    """The services that the token's user is connected to, and the ids there."""
    connected = {"google": "109238475610293847561"}
    return {
        service: {"id": service, "service": service, "third_party_id": identifier}
        for service, identifier in connected.items()
    }
