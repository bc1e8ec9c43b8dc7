"""Files and what they hold, and threads of mail: what is written as a form."""

from __future__ import annotations

import base64

import orjson

from pipedrive_orchestration.demo.account.references import is_reachable, reference_problems
from pipedrive_orchestration.demo.bodies import BODIES, read
from pipedrive_orchestration.demo.call import Answer, Call, success
from pipedrive_orchestration.demo.endpoints.paging import offset_page
from pipedrive_orchestration.demo.endpoints.records import add
from pipedrive_orchestration.demo.errors import not_found
from pipedrive_orchestration.demo.generator.documents import content_of
from pipedrive_orchestration.demo.records import Record

_OWNERS = {
    "deal": ("deal_id", "deals"),
    "person": ("person_id", "persons"),
    "organization": ("org_id", "organizations"),
}


def content(call: Call) -> Answer:
    """What a file holds; a deleted one holds nothing any more."""
    file = call.record()
    if not file["active_flag"]:
        raise not_found(call.name)
    kept = call.account.contents.get(file["id"])
    return Answer(content_of(file) if kept is None else kept)


def uploaded(call: Call) -> Answer:
    """A file is uploaded."""
    given = read(call)
    name, content = given["file"]["name"], base64.b64decode(given["file"]["content"])
    if not name:
        raise call.refusal("file: A file has to have a name.")
    record = _added(call, {**given, "name": name, "file_size": len(content)})
    call.account.contents[record["id"]] = content
    return success(record)


def remote_made(call: Call) -> Answer:
    """A document is made elsewhere, and linked."""
    given = read(call, table=BODIES["remote_files"])
    return success(_linked(call, given, given["title"], given["file_type"]))


def remote_linked(call: Call) -> Answer:
    """A document that is elsewhere is linked."""
    given = read(call, table=BODIES["linked_files"])
    return success(_linked(call, given, given["remote_id"], given["remote_id"]))


def _linked(call: Call, given: Record, name: str, remote_id: str) -> Record:
    key, collection = _OWNERS[given["item_type"]]
    if not is_reachable(call.account, collection, given["item_id"]):
        raise call.refusal(f"item_id: There is no record {given['item_id']} among {collection}.")
    place = {"remote_location": given["remote_location"], "remote_id": remote_id}
    return _added(call, {key: given["item_id"], "name": name, "file_size": 0, **place})


def _added(call: Call, changes: Record) -> Record:
    name = str(changes["name"])
    kind = "img" if name.endswith((".png", ".jpg")) else "document"
    return add(call, "files", {**changes, "file_name": name, "file_type": kind})


def threads(call: Call) -> Answer:
    """The threads of a folder, the newest first."""
    folder = call.query["folder"]
    found = [thread for thread in call.collection if folder in thread["folders"]]
    newest = sorted(found, key=lambda thread: (thread["last_message_timestamp"], thread["id"]), reverse=True)
    return offset_page(call, newest, orjson.dumps)


def thread(call: Call) -> Answer:
    """One thread of mail."""
    return success(call.record())


def thread_changed(call: Call) -> Answer:
    """A thread of mail is linked, shared, marked as read or archived."""
    before, given = call.record(), read(call)
    if missing := list(reference_problems(call.account, given)):
        raise call.refusal(*missing)
    folders = before["folders"]
    if "archived_flag" in given:
        others = [folder for folder in folders if folder not in ("archive", "inbox")]
        folders = ["archive" if given["archived_flag"] else "inbox", *others]
    return success(call.account.save(call.name, {**before, **given, "folders": folders}))


def thread_deleted(call: Call) -> Answer:
    """A thread of mail is marked as deleted, and lies in no folder any more."""
    found = call.record()
    call.account.save(call.name, {**found, "deleted_flag": 1, "folders": []})
    return success({"id": found["id"]})
