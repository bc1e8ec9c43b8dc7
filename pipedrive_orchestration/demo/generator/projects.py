"""Projects in v2 shape: what follows a won deal, on boards whose phases they pass through, with their tasks.

See docs/pipedrive-api.md#records.
"""

from __future__ import annotations

from random import Random

from pipedrive_orchestration.demo.generator.business import Business
from pipedrive_orchestration.demo.generator.company import numbered
from pipedrive_orchestration.demo.generator.moments import DAY, date_text, millisecond_time, seconds_of
from pipedrive_orchestration.demo.generator.randomness import pick, stream
from pipedrive_orchestration.demo.records import Record, Records, blank

_BOARDS = {
    "Installations": ("Planning", "Permits", "Scaffolding", "Modules", "Electrics", "Handover"),
    "Service": ("Reported", "On site", "Done"),
}
_TEMPLATES = (
    ("Rooftop plant", "From the permit to the handover, for roofs up to 100 kWp", 1),
    ("Storage retrofit", "A battery beside a plant that is there", 1),
    ("Yearly inspection", "Inverter, cabling, yield", 2),
)
_TASKS = (
    "Order the modules", "Apply for the grid connection", "Book the scaffolding", "Measure the roof",
    "Mount the inverter", "Register the plant", "Hand over the papers",
)  # fmt: skip
_FEWEST = 14
_EVERY = 6
"""A project for each so many won deals, and a few at least."""


def boards(business: Business) -> Records:
    """The boards of projects."""
    times = _added(millisecond_time(business.calendar.opened))
    boards = ({"name": name, "order_nr": order, **times} for order, name in enumerate(_BOARDS, start=1))
    return numbered("boards", boards)


def _added(time: str) -> Record:
    return {"add_time": time, "update_time": time}


def phases(business: Business) -> Records:
    """The phases of every board, in their order."""
    return numbered(
        "phases",
        (
            {"name": name, "board_id": board["id"], "order_nr": order, **_added(board["add_time"])}
            for board in business["boards"].values()
            for order, name in enumerate(_BOARDS[board["name"]], start=1)
        ),
    )


def project_templates(business: Business) -> Records:
    """The templates that projects are made from."""
    common = _added(millisecond_time(business.calendar.opened + 3 * DAY, 500)) | {
        "owner_id": business.owners[0]
    }
    return numbered(
        "project_templates",
        (
            {"title": title, "description": description, "projects_board_id": board, **common}
            for title, description, board in _TEMPLATES
        ),
    )


def projects(business: Business) -> Records:
    """Projects by id in the order they were added; some are archived, and a few deleted."""
    rng, custom = stream(business.seed, "projects"), business.custom("projects")
    won = [
        deal
        for deal in business["deals"].values()
        if deal["won_time"] is not None and deal["status"] == "won" and not deal["is_archived"]
    ]
    chosen = sorted(won[: max(_FEWEST, len(won) // _EVERY)], key=lambda deal: str(deal["won_time"]))
    return {
        number: _project(business, rng, number, deal) | {"custom_fields": custom.draw(rng)}
        for number, deal in enumerate(chosen, start=1)
    }


def _project(business: Business, rng: Random, identifier: int, deal: Record) -> Record:
    board = 2 if identifier % 5 == 0 else 1
    own_phases = [one["id"] for one in business["phases"].values() if one["board_id"] == board]
    won, now = seconds_of(deal["won_time"]), business.calendar.now
    updated = won + int((now - won) * rng.random())
    status = ("open", "open", "completed", "canceled")[rng.getrandbits(2)]
    archived = identifier % 7 == 3
    if identifier % 11 == 6 and not archived:
        status = "deleted"
    milliseconds = rng.getrandbits(9)
    return blank("projects") | {
        "id": identifier, "title": deal["title"], "status": status,
        "description": pick(rng, business.world.sentences) if rng.random() < 0.5 else None,
        "board_id": board, "phase_id": own_phases[-1] if status == "completed" else pick(rng, own_phases),
        "owner_id": pick(rng, business.owners), "start_date": date_text(won + 7 * DAY),
        "end_date": date_text(won + (40 + rng.getrandbits(6)) * DAY) if rng.random() < 0.7 else None,
        "deal_ids": [deal["id"]], "person_ids": [deal["person_id"]] if deal["person_id"] else [],
        "org_ids": [deal["org_id"]] if deal["org_id"] else [],
        "label_ids": [41 + rng.getrandbits(1)] if rng.random() < 0.4 else [],
        "health_status": rng.getrandbits(2) or None,
        "add_time": millisecond_time(won, milliseconds),
        "update_time": millisecond_time(updated, milliseconds),
        "status_change_time": None if status == "open" else millisecond_time(updated, milliseconds),
        "archive_time": millisecond_time(updated, milliseconds) if archived else None,
    }  # fmt: skip


def tasks(business: Business) -> Records:
    """The tasks of every project, some below another one."""
    rng = stream(business.seed, "tasks")
    records: Records = {}
    for project in business["projects"].values():
        first = len(records) + 1
        for place, title in enumerate(_TASKS[: 2 + rng.getrandbits(2)]):
            is_done = project["status"] == "completed" or rng.random() < 0.4
            milliseconds = rng.getrandbits(9)
            added = str(project["add_time"])[:-4] + f"{milliseconds:03}Z"
            records[len(records) + 1] = blank("tasks") | {
                "id": len(records) + 1, "title": title, "project_id": project["id"],
                "creator_id": project["owner_id"],
                "description": pick(rng, business.world.sentences) if place == 0 else None,
                "is_done": is_done, "is_milestone": place == 0, "due_date": project["end_date"],
                "start_date": project["start_date"] if place else None,
                "parent_task_id": first if place > 2 else None,
                "assignee_ids": sorted({pick(rng, business.owners) for _ in range(rng.getrandbits(1) + 1)}),
                "priority": rng.getrandbits(2) or None,
                "add_time": added, "update_time": project["update_time"],
                "marked_as_done_time": project["update_time"] if is_done else None,
            }  # fmt: skip
    return records


def link_projects(business: Business) -> None:
    """Let activities and notes of a project's deal belong to the project; changes these records."""
    projects_of = {
        deal_id: project for project in business["projects"].values() for deal_id in project["deal_ids"]
    }
    for activity in business["activities"].values():
        project = projects_of.get(activity["deal_id"])
        if project is not None and activity["id"] % 2:
            activity["project_id"] = project["id"]
    for note in business["notes"].values():
        project = projects_of.get(note["deal_id"])
        if project is not None and note["id"] % 2:
            note |= {"project_id": project["id"], "project": {"title": project["title"]}}
