"""The writes of notes."""

from __future__ import annotations

from collections.abc import Iterator

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.collection import Record
from pipedrive_orchestration.demo.account.counts import follow_up
from pipedrive_orchestration.demo.account.references import reference_problems
from pipedrive_orchestration.demo.bodies import read
from pipedrive_orchestration.demo.call import Answer, Call, success
from pipedrive_orchestration.demo.errors import bad_request, not_found
from pipedrive_orchestration.demo.parameters import Query, parse
from pipedrive_orchestration.demo.v1.bodies import NewNote, Note
from pipedrive_orchestration.demo.v1.notes import PINS

_LINKS = {
    "deal_id": ("deals", "deal", "title"),
    "person_id": ("persons", "person", "name"),
    "org_id": ("organizations", "organization", "name"),
    "lead_id": ("leads", "lead", "title"),
}


def create_note(call: Call) -> Answer:
    """``POST /notes``: linked to a lead, a deal, a person or an organization."""
    parse(call, Query)
    changes = read(call, NewNote)
    account = call.account
    now = account.stamp("notes")
    note: Record = {
        "id": None,
        "user_id": account.me["id"],
        **dict.fromkeys((*_LINKS, "project_id", "task_id")),
        "content": None,
        "add_time": now,
        "update_time": now,
        "active_flag": True,
        **{f"pinned_to_{pin}_flag": False for pin in PINS},
        "last_update_user_id": None,
        "project": None,
        "task": None,
    }
    note = _written(call, note, changes)
    note["id"] = account.new_id("notes")
    note = account.save("notes", note)
    follow_up(account, "notes", None, note)
    return success(note, 201)


def update_note(call: Call) -> Answer:
    """``PUT /notes/{id}``: what is not given stays as it is."""
    parse(call, Query)
    before = call.record("notes")
    note = _written(call, before, read(call, Note)) | {"last_update_user_id": call.account.me["id"]}
    note = call.account.save("notes", note)
    follow_up(call.account, "notes", before, note)
    return success(note)


def delete_note(call: Call) -> Answer:
    """``DELETE /notes/{id}``: bumps whatever the note was linked to (docs/pipedrive-api.md#times)."""
    parse(call, Query)
    account, before = call.account, call.record("notes")
    if not before["active_flag"]:
        raise not_found()
    follow_up(account, "notes", before, account.save("notes", {**before, "active_flag": False}))
    for prop in ("deal_id", "person_id", "org_id"):
        account.touch(_LINKS[prop][0], before[prop])
    return success(data=True)


def _written(call: Call, before: Record, changes: Record) -> Record:
    pinned = {key: bool(value) for key, value in changes.items() if key.startswith("pinned_")}
    note = before | changes | pinned
    problems = [*_problems(note), *reference_problems(call.account, changes)]
    if problems:
        raise bad_request("v1", problems)
    return note | _named(call.account, note)


def _problems(note: Record) -> Iterator[str]:
    if all(note[prop] is None for prop in _LINKS):
        yield f"A note has to be linked: one of {', '.join(_LINKS)} is needed."
    for prop in ("project_id", "task_id"):
        if note[prop] is not None:
            yield f"{prop}: This account has no projects."


def _named(account: Account, note: Record) -> Record:
    """The small objects that repeat the names of what the note is linked to and of its author."""
    names: Record = {}
    for prop, (name, key, title) in _LINKS.items():
        target = account[name].get(note[prop])
        names[key] = None if target is None else {title: target[title]}
    user = account["users"].get(note["user_id"])
    assert user is not None, "references were checked"
    return names | {"user": {key: user[key] for key in ("email", "name", "icon_url", "is_you")}}
