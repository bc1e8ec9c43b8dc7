"""Writes to the short lists of an account, over the API: one record made, one changed, one deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.pipedrive.requests import WRITABLE

Record = dict[str, Any]
Body = Callable[[DemoServer, int], Record]


def _first(server: DemoServer, name: str) -> Any:
    return server.account.records(name)[0]["id"]


def _goal(server: DemoServer, number: int) -> Record:
    return {
        "title": f"Goal {number}", "interval": "monthly",
        "assignee": {"id": _first(server, "users"), "type": "person"},
        "type": {"name": "deals_won", "params": {"pipeline_id": [1]}},
        "expected_outcome": {"target": 3, "tracking_metric": "quantity"},
        "duration": {"start": "2027-01-01", "end": "2027-12-31"},
    }  # fmt: skip


def _call(server: DemoServer, number: int) -> Record:
    return {
        "outcome": "connected", "to_phone_number": "+372 5", "subject": f"Call {number}",
        "start_time": "2027-01-01 10:00:00", "end_time": "2027-01-01 10:05:00",
        "deal_id": next(one["id"] for one in server.account.records("deals") if not one["is_deleted"]),
    }  # fmt: skip


NEW: dict[str, Body] = {
    "boards": lambda _server, number: {"name": f"Board {number}"},
    "phases": lambda server, number: {"name": f"Phase {number}", "board_id": _first(server, "boards")},
    "projects": lambda server, number: {
        "title": f"Project {number}",
        "board_id": (phase := server.account.records("phases")[0])["board_id"],
        "phase_id": phase["id"],
    },
    "tasks": lambda server, number: {"title": f"Task {number}", "project_id": _first(server, "projects")},
    "roles": lambda _server, number: {"name": f"Role {number}", "parent_role_id": 1},
    "users": lambda _server, number: {"email": f"user{number}@firm.example", "access": []},
    "goals": _goal,
    "legacy_teams": lambda server, number: {
        "name": f"Team {number}", "manager_id": _first(server, "users"), "users": [_first(server, "users")]
    },
    "call_logs": _call,
}  # fmt: skip
"""A new record of every list, by its name and a number that tells it apart."""

_CHANGED: dict[str, Record] = {
    "boards": {"name": "Other"}, "phases": {"name": "Other"}, "projects": {"title": "Other"},
    "tasks": {"done": 1}, "roles": {"name": "Other"}, "users": {"active_flag": False},
    "goals": {"title": "Other"}, "legacy_teams": {"description": "Other"},
}  # fmt: skip


def write_list(server: DemoServer, name: str) -> None:
    """Make three records of a list, change the second and delete the third, where Pipedrive lets that be."""
    one = WRITABLE[name]
    assert one.create is not None
    made = [server.write(one.create.method, one.path, NEW[name](server, number)) for number in (1, 2, 3)]
    _, changed, gone = ((answer.get(one.inner) or answer)[one.id_key] for answer in made)
    if one.update is not None:
        server.write(one.update.method, f"{one.path}/{changed}", _CHANGED[name])
    if one.delete is not None:
        server.write(one.delete.method, f"{one.path}/{gone}")
