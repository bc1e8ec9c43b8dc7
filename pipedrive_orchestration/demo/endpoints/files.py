"""What is written as a form: uploads, files that lie elsewhere, and changes of threads of mail."""

from __future__ import annotations

import base64

from pipedrive_orchestration.demo.account.references import is_reachable
from pipedrive_orchestration.demo.account.rules import RULES, blank, problems
from pipedrive_orchestration.demo.bodies import BODIES, read
from pipedrive_orchestration.demo.call import Answer, Call, success
from pipedrive_orchestration.demo.errors import not_found
from pipedrive_orchestration.demo.records import Record

_OWNERS = {
    "deal": ("deal_id", "deals"),
    "person": ("person_id", "persons"),
    "organization": ("org_id", "organizations"),
}


def uploaded(call: Call) -> Answer:
    """A file is uploaded."""
    given = read(call)
    name, content = given["file"]["name"], base64.b64decode(given["file"]["content"])
    if not name:
        raise call.refusal("file: A file has to have a name.")
    record = _made(call, {**given, "name": name, "file_name": name, "file_size": len(content)})
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
    return _made(call, {key: given["item_id"], "name": name, "file_name": name, "file_size": 0, **place})


def _made(call: Call, changes: Record) -> Record:
    account, before = call.account, blank(call.account, "files")
    if found := list(problems(account, "files", before, changes)):
        raise call.refusal(*found)
    kind = "img" if str(changes["name"]).endswith((".png", ".jpg")) else "document"
    before |= {"id": account.new_id("files"), "add_time": account.stamp("files"), "file_type": kind}
    return account.save("files", RULES["files"].settled(account, before, changes))


def thread(call: Call) -> Answer:
    """One thread of mail."""
    return success(_thread(call))


def thread_changed(call: Call) -> Answer:
    """A thread of mail is linked, shared, marked as read or archived."""
    before, given = _thread(call), read(call, table=BODIES["mail_threads"])
    links = {"deal_id": "deals", "lead_id": "leads"}
    missing = [
        f"{key}: There is no record {given[key]} among {name}."
        for key, name in links.items()
        if key in given and not is_reachable(call.account, name, given[key])
    ]
    if missing:
        raise call.refusal(*missing)
    folders = before["folders"]
    if "archived_flag" in given:
        others = [folder for folder in folders if folder not in ("archive", "inbox")]
        folders = ["archive" if given["archived_flag"] else "inbox", *others]
    return success(call.account.save("mail_threads", {**before, **given, "folders": folders}))


def thread_deleted(call: Call) -> Answer:
    """A thread of mail is marked as deleted, and lies in no folder any more."""
    found = _thread(call)
    call.account.save("mail_threads", {**found, "deleted_flag": 1, "folders": []})
    return success({"id": found["id"]})


def _thread(call: Call) -> Record:
    text = call.path["id"]
    found = call.account["mail_threads"].get(int(text)) if text.isdigit() else None
    if found is None:
        raise not_found()
    return found
