"""The names that built-in properties had in v1 of the API (docs/pipedrive-api.md#records).

Users of v1 know a person's ``email`` and a deal's ``user_id``. A property can be asked for by either name;
its value is that of today's property, or a part of it, or its opposite.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OlderName:
    """The name that a property, or a part of one, had in v1.

    Attributes:
        name: the older name.
        key: the property's key today.
        part: the key of the part, where the value is a part of an address today.
        is_opposite: whether the value is true today where it was false.
    """

    name: str
    key: str
    part: str = ""
    is_opposite: bool = False


def _table(table: str) -> tuple[OlderName, ...]:
    """Names as ``older=today``; ``!`` stands before an opposite, and a point before a part."""
    return tuple(_parse(table))


def _parse(table: str) -> Iterator[OlderName]:
    for entry in table.split():
        name, _, today = entry.partition("=")
        key, _, part = today.removeprefix("!").partition(".")
        yield OlderName(name, key, part, is_opposite=today.startswith("!"))


def _address(key: str) -> str:
    parts = (
        "subpremise street_number route sublocality locality admin_area_level_1 admin_area_level_2 country "
        "postal_code formatted_address"
    )
    return " ".join(f"{key}_{part}={key}.{part}" for part in parts.split())


OLDER_NAMES: dict[str, tuple[OlderName, ...]] = {
    "deals": _table("user_id=owner_id label=label_ids deleted=is_deleted"),
    "persons": _table("email=emails phone=phones label=label_ids active_flag=!is_deleted"),
    "organizations": _table(f"label=label_ids active_flag=!is_deleted {_address('address')}"),
    "activities": _table(
        "user_id=owner_id created_by_user_id=creator_user_id busy_flag=busy active_flag=!is_deleted "
        + _address("location")
    ),
    "products": _table("selectable=is_linkable active_flag=!is_deleted"),
    "pipelines": _table("active=!is_deleted deal_probability=is_deal_probability_enabled"),
    "stages": _table("active_flag=!is_deleted rotten_flag=is_deal_rot_enabled rotten_days=days_to_rotten"),
}
"""Older names by object type. Users, leads, notes and other collections of v1 have no other names."""
