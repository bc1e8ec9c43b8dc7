"""A company whose deals have random histories, and what an importer keeps of them.

The truth is `Deal.states`. The warehouse gets what the importer would have made of it: rows, versions from
the first import on, and the changelog of what was before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import duckdb

State = dict[str, Any]

DAY = timedelta(days=1)
CURRENCIES = ("EUR", "USD", "CHF")
"""Of the last one no rate is known."""

PIPELINES = {1: ("New business", True), 2: ("Renewals", False)}
STAGES = {
    11: ("Lead in", 1, 1, 10.0, 20),
    12: ("Offer", 1, 2, 40.0, None),
    13: ("Contract", 1, 3, 80.0, 40),
    14: ("Nobody's", 1, 4, 90.0, None),
    21: ("Due", 2, 1, 50.0, 15),
    22: ("Talks", 2, 2, 70.0, None),
}
"""Name, pipeline, order, probability, days to rotten; nothing ever comes into stage 14."""

USED = {1: (11, 12, 13), 2: (21, 22)}
USERS = {1: ("Ada", True), 2: ("Ben", True), 3: ("Cleo", False), 4: ("Dan", True)}
FIELDS = (
    "status",
    "pipeline_id",
    "stage_id",
    "owner_id",
    "value",
    "currency",
    "probability",
    "expected_close_date",
)


@dataclass
class Deal:
    """A deal: its states, each with the instant at which it began, and its end if it was deleted."""

    id: int
    states: list[tuple[datetime, State]]
    deleted_at: datetime | None = None
    is_archived: bool = False
    person_id: int | None = None
    org_id: int | None = None
    source_lead_id: str | None = None
    moved_at: datetime | None = None
    moves: list[datetime] = field(default_factory=list)

    @property
    def added(self) -> datetime:
        return self.states[0][0]

    @property
    def last(self) -> State:
        return self.states[-1][1]

    def at(self, instant: datetime) -> State | None:
        """The state just before an instant; None before the deal was added and after it was deleted."""
        if self.deleted_at is not None and instant > self.deleted_at:
            return None
        return next((state for began, state in reversed(self.states) if began < instant), None)


@dataclass
class Company:
    """What there is in the account, and what happened to it."""

    seed: int
    now: datetime
    first_import: datetime
    deals: list[Deal] = field(default_factory=list)
    persons: dict[int, State] = field(default_factory=dict)
    organizations: dict[int, State] = field(default_factory=dict)
    activities: dict[int, State] = field(default_factory=dict)
    leads: dict[str, State] = field(default_factory=dict)


def company(seed: int, now: datetime, deals: int = 60) -> Company:
    """A company of a year and a half, imported since a third of that."""
    rng = Random(seed)
    made = Company(seed, now, now - timedelta(days=180))
    begun = now - timedelta(days=540)
    for number in range(1, 13):
        made.organizations[number] = {
            "name": rng.choice(("Acme GmbH", "ACME  gmbh", "Bolt Inc.", f"Org {number}")),
            "address": rng.choice((None, f"{number} High Street")),
            "owner_id": rng.choice((1, 2)),
        }
    for number in range(1, 21):
        mails = [f"p{rng.randrange(12)}@example.com" for _ in range(rng.randrange(3))]
        made.persons[number] = {
            "name": f"Person {number}",
            "org_id": rng.choice((None, rng.randrange(1, 13))),
            "owner_id": rng.choice((1, 2)),
            "emails": [
                {"value": mail, "label": "work", "primary": nr == len(mails) - 1}
                for nr, mail in enumerate(mails)
            ],
            "phones": [{"value": f"+49 {number}", "label": "work", "primary": True}]
            if rng.random() < 0.5
            else [],
        }
    for number in range(1, 16):
        made.leads[f"00000000-0000-4000-8000-{number:012}"] = {
            "title": f"Lead {number}",
            "origin": rng.choice(("API", "Import", None)),
            "channel": rng.choice((None, 3)),
            "add_time": begun + rng.random() * (now - begun),
            "is_gone": rng.random() < 0.3,
        }
    for number in range(1, deals + 1):
        made.deals.append(_deal(rng, made, number, begun))
    for number in range(1, 121):
        due = (begun + rng.random() * (now - begun) + 30 * DAY).date()
        done = rng.random() < 0.6
        made.activities[number] = {
            "type": rng.choice(("call", "meeting")),
            "done": done,
            "due_date": due,
            "owner_id": rng.choice(tuple(USERS)),
            "deal_id": rng.choice((None, rng.randrange(1, deals + 1))),
            "person_id": rng.choice((None, rng.randrange(1, 21))),
            "lead_id": rng.choice((None, None, rng.choice(tuple(made.leads)))),
            "marked_as_done_time": _second(begun + rng.random() * (now - begun)) if done else None,
        }
    return made


def _second(instant: datetime) -> datetime:
    return instant.replace(microsecond=0)


def _deal(rng: Random, made: Company, number: int, begun: datetime) -> Deal:
    instant = _second(begun + rng.random() * (made.now - 5 * DAY - begun))
    pipeline = rng.choice((1, 1, 2))
    state: State = {
        "status": "open",
        "pipeline_id": pipeline,
        "stage_id": rng.choice(USED[pipeline]),
        "owner_id": rng.choice(tuple(USERS)),
        "value": rng.choice((None, round(rng.random() * 9000, 2))),
        "currency": rng.choice(CURRENCIES),
        "probability": rng.choice((None, None, 25.0)),
        "expected_close_date": rng.choice((None, (instant + rng.randrange(120) * DAY).date())),
        "lost_reason": None,
        "won_time": None,
        "lost_time": None,
    }
    deal = Deal(
        number,
        [(instant, state)],
        person_id=rng.choice((None, rng.randrange(1, 22))),
        org_id=rng.choice((None, rng.randrange(1, 13))),
        source_lead_id=rng.choice((None, None, None, rng.choice(tuple(made.leads)))),
    )
    for _ in range(rng.randrange(9)):
        instant = _second(instant + rng.random() * 60 * DAY + timedelta(seconds=1))
        if instant >= made.now:
            break
        if rng.random() < 0.04:
            deal.deleted_at = instant
            break
        state = dict(state)
        for change in rng.sample(_CHANGES, rng.choice((1, 1, 1, 2))):
            change(rng, state, instant)
        if state == deal.last:
            continue
        if (state["stage_id"], state["pipeline_id"]) != (deal.last["stage_id"], deal.last["pipeline_id"]):
            deal.moves.append(instant)
        deal.states.append((instant, state))
    deal.is_archived = deal.deleted_at is None and rng.random() < 0.1
    return deal


def _move(rng: Random, state: State, _: datetime) -> None:
    if state["status"] == "open":
        state["stage_id"] = rng.choice(USED[state["pipeline_id"]])


def _hand_over(rng: Random, state: State, _: datetime) -> None:
    if state["status"] == "open":
        state["pipeline_id"] = 3 - state["pipeline_id"]
        state["stage_id"] = rng.choice(USED[state["pipeline_id"]])


def _revalue(rng: Random, state: State, _: datetime) -> None:
    state["value"] = rng.choice((None, round(rng.random() * 9000, 2)))


def _exchange(rng: Random, state: State, _: datetime) -> None:
    state["currency"] = rng.choice(CURRENCIES)


def _assign(rng: Random, state: State, _: datetime) -> None:
    state["owner_id"] = rng.choice(tuple(USERS))


def _expect(rng: Random, state: State, instant: datetime) -> None:
    state["expected_close_date"] = rng.choice((None, (instant + rng.randrange(-10, 90) * DAY).date()))


def _close(rng: Random, state: State, instant: datetime) -> None:
    if state["status"] == "open":
        state["status"] = rng.choice(("won", "lost"))
        state[f"{state['status']}_time"] = instant
        state["lost_reason"] = rng.choice((None, "Price", "Timing")) if state["status"] == "lost" else None
    else:
        state.update(status="open", won_time=None, lost_time=None, lost_reason=None)


_CHANGES = (_move, _move, _move, _hand_over, _revalue, _exchange, _assign, _expect, _close, _close)


def fill(connection: duckdb.DuckDBPyConnection, made: Company, *, changes: bool = True) -> None:
    """Write the tables that an importer would have written."""
    for schema in ("pipedrive", "pipedrive_history", "import_ledger"):
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    system = "_update_time TIMESTAMPTZ, _first_imported_at TIMESTAMPTZ, _is_archived BOOLEAN, "
    system += "_is_current BOOLEAN, _removed_at TIMESTAMPTZ, _removal VARCHAR"
    here = {"_is_current": True, "_is_archived": False, "_first_imported_at": made.first_import}
    _table(
        connection,
        "users",
        "_id BIGINT, name VARCHAR, email VARCHAR, active_flag BOOLEAN",
        system,
        [
            here | {"_id": key, "name": name, "email": f"{name}@example.com", "active_flag": active}
            for key, (name, active) in USERS.items()
        ],
    )
    _table(
        connection,
        "pipelines",
        "_id BIGINT, name VARCHAR, order_nr BIGINT, is_deal_probability_enabled BOOLEAN",
        system,
        [
            here | {"_id": key, "name": name, "order_nr": key, "is_deal_probability_enabled": enabled}
            for key, (name, enabled) in PIPELINES.items()
        ],
    )
    _table(
        connection,
        "stages",
        "_id BIGINT, name VARCHAR, pipeline_id BIGINT, order_nr BIGINT, deal_probability BIGINT, "
        "is_deal_rot_enabled BOOLEAN, days_to_rotten BIGINT",
        system,
        [
            here
            | {
                "_id": key,
                "name": name,
                "pipeline_id": pipeline,
                "order_nr": order,
                "deal_probability": probability,
                "is_deal_rot_enabled": rot is not None,
                "days_to_rotten": rot,
            }
            for key, (name, pipeline, order, probability, rot) in STAGES.items()
        ],
    )
    contacts = 'STRUCT("value" VARCHAR, "label" VARCHAR, "primary" BOOLEAN)[]'
    _table(
        connection,
        "all_persons",
        f"_id BIGINT, name VARCHAR, emails {contacts}, phones {contacts}, org_id BIGINT, owner_id BIGINT",
        system,
        [here | {"_id": key} | row for key, row in made.persons.items()],
    )
    _table(
        connection,
        "all_organizations",
        '_id BIGINT, name VARCHAR, address STRUCT("value" VARCHAR, country VARCHAR), owner_id BIGINT',
        system,
        [
            here
            | {"_id": key}
            | row
            | {"address": row["address"] and {"value": row["address"], "country": None}}
            for key, row in made.organizations.items()
        ],
    )
    _table(
        connection,
        "all_activities",
        "_id BIGINT, type VARCHAR, done BOOLEAN, due_date DATE, owner_id BIGINT, deal_id BIGINT, "
        "person_id BIGINT, lead_id UUID, marked_as_done_time TIMESTAMPTZ",
        system,
        [here | {"_id": key} | row for key, row in made.activities.items()],
    )
    _table(
        connection,
        "leads_once",
        "_id UUID, title VARCHAR, origin VARCHAR, channel BIGINT, add_time TIMESTAMPTZ",
        system,
        [
            here
            | {
                "_id": key,
                "_is_current": not row["is_gone"],
                "_removal": "deleted" if row["is_gone"] else None,
            }
            | {name: row[name] for name in ("title", "origin", "channel", "add_time")}
            for key, row in made.leads.items()
        ],
    )
    deal_columns = (
        "_id BIGINT, status VARCHAR, pipeline_id BIGINT, stage_id BIGINT, owner_id BIGINT, value DOUBLE, "
        "currency VARCHAR, probability DOUBLE, expected_close_date DATE, lost_reason VARCHAR, "
        "won_time TIMESTAMPTZ, lost_time TIMESTAMPTZ, stage_change_time TIMESTAMPTZ, add_time TIMESTAMPTZ, "
        "label_ids BIGINT[], title VARCHAR, person_id BIGINT, org_id BIGINT, source_lead_id UUID"
    )
    _table(connection, "all_deals", deal_columns, system, [_row(deal, made) for deal in made.deals])
    versions = [version for deal in made.deals for version in _versions(deal, made)]
    _table(
        connection,
        "all_deals",
        deal_columns,
        "_valid_from TIMESTAMPTZ, _valid_to TIMESTAMPTZ",
        versions,
        "pipedrive_history",
    )
    if changes:
        _table(
            connection,
            "deal_changes",
            "_id VARCHAR, _parent_id BIGINT, field_key VARCHAR, old_value VARCHAR, new_value VARCHAR, "
            "time TIMESTAMPTZ",
            system,
            [one for deal in made.deals for one in _changes(deal)],
        )


def _row(deal: Deal, made: Company) -> State:
    return _shown(deal, deal.last, deal.moves) | {
        "_update_time": deal.deleted_at or deal.states[-1][0],
        "_first_imported_at": max(made.first_import, deal.added),
        "_is_archived": False,
        "_is_current": deal.deleted_at is None and not deal.is_archived,
        "_removed_at": deal.deleted_at,
        "_removal": "deleted" if deal.deleted_at else "archived" if deal.is_archived else None,
    }


def _shown(deal: Deal, state: State, moves: list[datetime]) -> State:
    return state | {
        "_id": deal.id,
        "title": f"Deal {deal.id}",
        "add_time": deal.added,
        "label_ids": [],
        "stage_change_time": moves[-1] if moves else None,
        "person_id": deal.person_id,
        "org_id": deal.org_id,
        "source_lead_id": deal.source_lead_id,
    }


def _versions(deal: Deal, made: Company) -> Iterator[State]:
    """What is seen at the first import, and every change after it."""
    ends = [began for began, _ in deal.states[1:]] + [deal.deleted_at]
    for (began, state), end in zip(deal.states, ends, strict=True):
        if end is None or end > made.first_import:
            moves = [move for move in deal.moves if move <= began]
            archived = made.now - timedelta(hours=1) if deal.is_archived and end is None else end
            yield _shown(deal, state, moves) | {"_valid_from": began, "_valid_to": archived}


def _changes(deal: Deal) -> Iterator[State]:
    """Pipedrive's changelog, which names owners in its old way."""
    changed = 0
    for (_, before), (instant, after) in zip(deal.states, deal.states[1:], strict=False):
        for name in FIELDS:
            if before[name] != after[name]:
                changed += 1
                yield {
                    "_id": f"{deal.id}:{changed:04}",
                    "_parent_id": deal.id,
                    "time": instant,
                    "field_key": "user_id" if name == "owner_id" else name,
                    "old_value": _text(before[name]),
                    "new_value": _text(after[name]),
                }


def _text(value: Any) -> str | None:
    return None if value is None else value.isoformat() if isinstance(value, date) else str(value)


def _table(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    columns: str,
    system: str,
    rows: list[State],
    schema: str = "pipedrive",
) -> None:
    connection.execute(f"CREATE TABLE {schema}.{name} ({columns}, {system})")
    if rows:
        text = json.dumps(rows, default=lambda value: value.isoformat())
        described = connection.execute(f"DESCRIBE {schema}.{name}").fetchall()
        shape = json.dumps([{column: type_ for column, type_, *_ in described}])
        connection.execute(
            f"INSERT INTO {schema}.{name} SELECT one.* FROM (SELECT unnest(from_json(?::JSON, ?)) AS one)",
            [text, shape],
        )
