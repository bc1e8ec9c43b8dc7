"""A company in which each rule of the models has a case that was made for it by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import duckdb

from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.models.company import Company, Deal, State, fill

DAY = timedelta(days=1)

(
    REOPENED,
    REASSIGNED,
    EXCHANGED,
    DELETED,
    MERGED,
    ARCHIVED,
    NO_RATE,
    BY_STAGE,
    BY_DEAL,
    BY_NOTHING,
    SLIPPED,
    AT_MIDNIGHT,
) = range(1, 13)
THERE_AND_BACK, RESTING, OWNERLESS, TIMELESS, STUCK, QUICK, QUICK_TOO, FRESH, ORPHANED, WORTHLESS, UNKNOWN = (
    range(13, 24)
)
LATE, DUE_TODAY, ATTENDED, DANGLING = range(24, 28)


def ago(days: float) -> datetime:
    """An instant before the present."""
    return PRESENT - days * DAY


def deal(
    number: int,
    added: datetime,
    *changes: tuple[datetime, State],
    deleted: datetime | None = None,
    **first: Any,
) -> Deal:
    """A deal that began with some properties and changed some of them at instants."""
    state: State = {
        "status": "open", "pipeline_id": 1, "stage_id": 11, "owner_id": 1, "value": 100.0, "currency": "EUR",
        "probability": None, "expected_close_date": None, "lost_reason": None, "won_time": None,
        "lost_time": None, **first,
    }  # fmt: skip
    made = Deal(number, [(added, state)], deleted, person_id=3)
    for instant, change in changes:
        state = {**state, **change}
        if state["status"] in ("won", "lost") and change.get("status"):
            state[f"{state['status']}_time"] = instant
        if "stage_id" in change or "pipeline_id" in change:
            made.moves.append(instant)
        made.states.append((instant, state))
    return made


def deals() -> list[Deal]:
    """The cases."""
    today = PRESENT.date()
    won, lost = {"status": "won"}, {"status": "lost", "lost_reason": "Price"}
    archived = deal(ARCHIVED, ago(30))
    archived.is_archived = True
    unknown = deal(UNKNOWN, ago(2))
    unknown.person_id = None
    dangling = deal(DANGLING, ago(2))
    dangling.person_id = 999
    return [
        deal(REOPENED, ago(60), (ago(40), won), (ago(30), {"status": "open", "won_time": None})),
        deal(REASSIGNED, ago(60), (ago(20), won), (ago(10), {"owner_id": 2})),
        deal(EXCHANGED, ago(30), (ago(15), {"currency": "USD", "value": 120.0})),
        deal(DELETED, ago(30), deleted=ago(5)),
        deal(MERGED, ago(30)),
        archived,
        deal(NO_RATE, ago(30), (ago(10), won), currency="CHF", value=50.0),
        deal(BY_STAGE, ago(3), stage_id=12, value=200.0),
        deal(BY_DEAL, ago(3), stage_id=12, value=200.0, probability=25.0),
        deal(BY_NOTHING, ago(3), pipeline_id=2, stage_id=22, value=200.0),
        deal(
            SLIPPED, ago(50),
            (ago(40), {"expected_close_date": today.replace(month=6, day=20)}),
            (ago(30), {"expected_close_date": today.replace(month=7, day=5)}),
            (ago(20), {"expected_close_date": today.replace(month=6, day=30)}),
            expected_close_date=today.replace(month=6, day=1),
        ),
        deal(
            AT_MIDNIGHT, ago(100), (PRESENT.replace(month=3, day=31, hour=22, minute=30), won),
            owner_id=4, value=7.0,
        ),
        deal(
            THERE_AND_BACK, ago(90),
            (ago(80), {"stage_id": 12}), (ago(70), {"stage_id": 13}), (ago(60), {"stage_id": 12}),
            (ago(50), {"status": "lost"}),
        ),
        deal(RESTING, ago(300), (ago(250), lost)),
        deal(OWNERLESS, ago(2), owner_id=None),
        deal(TIMELESS, ago(30), (ago(3), won)),
        deal(STUCK, ago(40), pipeline_id=2, stage_id=21),
        *(
            deal(number, ago(20), (ago(19), {"stage_id": 22}), (ago(18), won), pipeline_id=2, stage_id=21)
            for number in (QUICK, QUICK_TOO)
        ),
        deal(FRESH, ago(2), pipeline_id=2, stage_id=21),
        deal(ORPHANED, ago(2), owner_id=3),
        deal(WORTHLESS, ago(2), value=None),
        unknown,
        deal(LATE, ago(2), expected_close_date=today - DAY),
        deal(DUE_TODAY, ago(2), expected_close_date=today),
        deal(ATTENDED, ago(60)),
        dangling,
    ]  # fmt: skip


def made_by_hand() -> Company:
    """The company."""
    made = Company(0, PRESENT, ago(180), deals())
    mail = {"label": "work", "primary": True}
    made.persons = {
        1: {"name": "No way to reach", "emails": [], "phones": []},
        2: {"name": "Blanks", "emails": [{"value": "  ", **mail}], "phones": []},
        3: {"name": "Twin", "emails": [{"value": "A@x.example", **mail}], "phones": []},
        4: {"name": "Other twin", "emails": [{"value": " a@X.example ", **mail}], "phones": []},
    }
    for person in made.persons.values():
        person |= {"org_id": None, "owner_id": 1}
    names = ("Acme GmbH", "ACME, gmbh & Co. KG", "Acme Holding", "Bolt")
    made.organizations = {
        key: {"name": name, "address": None, "owner_id": 1} for key, name in enumerate(names, start=1)
    }
    activity: State = {
        "type": "call", "done": False, "due_date": PRESENT.date(), "owner_id": 2, "deal_id": None,
        "person_id": None, "lead_id": None, "marked_as_done_time": None,
    }  # fmt: skip
    made.activities = {
        1: activity | {"due_date": (ago(1)).date(), "owner_id": 1},
        2: activity,
        3: activity | {"deal_id": ATTENDED, "owner_id": 4},
        4: activity | {"deal_id": ATTENDED, "done": True, "marked_as_done_time": ago(13)},
    }
    return made


def fill_by_hand(connection: duckdb.DuckDBPyConnection) -> None:
    """Write the tables, with what an importer writes of deals that are merged, at rest, or without times."""
    fill(connection, made_by_hand())
    connection.execute(
        "UPDATE pipedrive.all_deals SET _is_current = false, _removal = 'merged' WHERE _id = ?", [MERGED]
    )
    # Changes are read of deals that ever moved.
    connection.execute("DELETE FROM pipedrive.deal_changes WHERE _parent_id = ?", [RESTING])
    for schema in ("pipedrive", "pipedrive_history"):
        connection.execute(f"UPDATE {schema}.all_deals SET won_time = NULL WHERE _id = ?", [TIMELESS])


def run_models(connection: duckdb.DuckDBPyConnection, compiled: Mapping[str, str]) -> None:
    """Make the tables of models from what dbt has compiled them to, in the order of the mapping."""
    for name, sql in compiled.items():
        connection.execute(f"CREATE OR REPLACE TABLE models.{name} AS {sql}")
