"""Random bodies of writes: some of the built-in values that a user can set."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from pipedrive_orchestration_tests.exactness.custom_values import day, text

Record = dict[str, Any]
Some = Callable[[str], Any]
"""Gives the id of some live record of a collection, or None."""


def _deal(some: Some, rng: Random) -> Record:
    body: Record = {"title": text(rng), "value": rng.choice((0, 99.5, 10**6)), "currency": "EUR"}
    status = rng.choice(("open", "won", "lost"))
    body |= {"status": status} | ({"lost_reason": text(rng)} if status == "lost" else {})
    body |= {"expected_close_date": day(rng), "person_id": some("persons")}
    return _some_of(rng, body, always=("title",) if status != "lost" else ("title", "status"))


def _person(some: Some, rng: Random) -> Record:
    contact = {"value": f"{rng.randrange(10**6)}@mail.example", "primary": True, "label": "work"}
    body = {
        "name": text(rng),
        "emails": rng.choice(([], [contact], [contact, {**contact, "primary": False}])),
        "phones": [],
        "org_id": some("organizations"),
        "label_ids": rng.choice(([], [21], [21, 22])),
        "birthday": day(rng),
        "job_title": text(rng),
        "visible_to": rng.choice((1, 3)),
    }
    return _some_of(rng, body, always=("name",))


def _organization(_some: Some, rng: Random) -> Record:
    body = {
        "name": text(rng),
        "address": {"value": text(rng), "country": "Estonia"},
        "website": "https://firm.example",
        "annual_revenue": rng.randrange(10**9),
        "employee_count": rng.randrange(1000),
    }
    return _some_of(rng, body, always=("name",))


def _activity(some: Some, rng: Random) -> Record:
    person = some("persons")
    body = {
        "subject": text(rng),
        "done": rng.random() < 0.5,
        "due_date": day(rng),
        "due_time": "15:30",
        "deal_id": some("deals"),
        "participants": [{"person_id": person, "primary": True}] if person else [],
        "note": text(rng),
    }
    return _some_of(rng, body, always=("subject",))


def _product(_some: Some, rng: Random) -> Record:
    body = {
        "name": text(rng),
        "code": text(rng),
        "tax": rng.choice((0, 19, 7.5)),
        "prices": [{"price": 12.5, "currency": "EUR"}],
    }
    return _some_of(rng, body, always=("name",))


def _lead(_some: Some, rng: Random) -> Record:
    body = {
        "title": text(rng),
        "value": {"amount": rng.randrange(10**6), "currency": "EUR"},
        "expected_close_date": day(rng),
        "was_seen": rng.random() < 0.5,
    }
    return _some_of(rng, body, always=("title",))


def _some_of(rng: Random, body: Record, always: tuple[str, ...]) -> Record:
    return {
        key: value
        for key, value in body.items()
        if key in always or key == "lost_reason" or rng.random() < 0.5
    }


def _type_name(rng: Random) -> str:
    return f"Type {rng.randrange(10**9)}"


BODIES: dict[str, Callable[[Some, Random], Record]] = {
    "deals": _deal,
    "persons": _person,
    "organizations": _organization,
    "activities": _activity,
    "products": _product,
    "leads": _lead,
    "notes": lambda _some, rng: {"content": f"<p>{text(rng)}</p>"},
    "pipelines": lambda _some, rng: {"name": text(rng)},
    "stages": lambda _some, rng: {"name": text(rng), "deal_probability": rng.randrange(101)},
    "lead_labels": lambda _some, rng: {"name": text(rng), "color": rng.choice(("red", "blue"))},
    "activity_types": lambda _some, rng: {"name": _type_name(rng), "icon_key": rng.choice(("car", "task"))},
    "filters": lambda _some, rng: {"name": text(rng)},
}
