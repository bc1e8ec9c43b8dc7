"""``record``: one record of the account, shown, created, changed and deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipedrive_orchestration.cli.commands.record import known_values
from pipedrive_orchestration.demo import DemoServer, running_demo
from pipedrive_orchestration_tests.cli.conftest import PERSONS, Project
from pipedrive_orchestration_tests.conftest import account_settings

Record = dict[str, Any]


@pytest.fixture(scope="module")
def account() -> Iterator[DemoServer]:
    """A very small account, changed by every test of this file."""
    with running_demo(account_settings(scale=0.005)) as server:
        yield server


@pytest.fixture
def writer(project: Project, account: DemoServer) -> Project:
    """A project that may change its account."""
    project.connect_to(account)
    with (project.folder / ".env").open("a") as file:
        file.write("PIPEDRIVE_ALLOW_WRITES=true\n")
    return project


def done(project: Project, *arguments: str) -> Record:
    """What a change says of itself."""
    ended = project.run("record", *arguments, "--json")
    assert ended.code == 0, ended.err
    said: Record = json.loads(ended.out)
    assert said["status"] == "done", said
    return said


def record_of(account: DemoServer, name: str, record_id: Any) -> Record:
    found = account.account.record(name, record_id)
    assert found is not None
    return found


def writes(account: DemoServer) -> int:
    """How many requests that were no GET the account has answered."""
    return sum(request.method != "GET" for request in account.account.requests)


def custom(account: DemoServer, name: str, label: str) -> str:
    """The key of a custom field."""
    fields = account.account.fields[name]
    keys = [f["field_code"] for f in fields if f["is_custom_field"] and f["field_name"] == label]
    return str(keys[0])


def live(account: DemoServer, name: str) -> Record:
    return next(
        one
        for one in account.account.records(name)
        if not one.get("is_deleted") and not one.get("is_archived")
    )


CREATIONS: dict[str, tuple[list[str], Record]] = {
    "deals": (
        ["Title=Roof", "value=1200.50", "currency=eur", "label=Tender", "expected_close_date=2026-12-31"],
        {"title": "Roof", "value": 1200.5, "currency": "EUR", "label_ids": [13]},
    ),
    "persons": (
        ["name=Ada Lovelace", "email=ada@example.com, ada@work.example", "Label=customer, 22"],
        {"name": "Ada Lovelace", "last_name": "Lovelace", "label_ids": [21, 22]},
    ),
    "organizations": (
        ["name=Acme", "address=1 Main St, Tallinn", "employee_count=12", "website=https://acme.example"],
        {"name": "Acme", "employee_count": 12},
    ),
    "activities": (
        ["subject=Call", "type=Meeting", "due_date=2026-06-01", "due_time=9:30", "done=no", "busy=yes"],
        {"subject": "Call", "type": "meeting", "due_time": "09:30:00", "done": False},
    ),
    "products": (
        ["name=Panel", "code=P-1", "tax=19", "prices=12.50 EUR; 14 USD"],
        {"name": "Panel", "tax": 19},
    ),
    "pipelines": (["name=Partners", "is_deal_probability_enabled=true"], {"name": "Partners"}),
    "lead_labels": (["name=Frosty", "color=dark-gray"], {"name": "Frosty", "color": "dark-gray"}),
    "activity_types": (["name=Visit", "icon_key=car"], {"name": "Visit", "key_string": "visit"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CREATIONS)
def test_a_record_is_created_with_values_as_people_write_them(
    writer: Project, account: DemoServer, name: str
) -> None:
    given, expected = CREATIONS[name]
    said = done(writer, "create", name, *(word for pair in given for word in ("--set", pair)))
    record = record_of(account, name, said["id"])
    assert {key: record[key] for key in expected} == expected
    assert said["request_id"]


def test_records_are_linked_by_names_and_by_ids(writer: Project, account: DemoServer) -> None:
    person = live(account, "persons")
    account.write("PATCH", f"/api/v2/persons/{person['id']}", {"name": "Zaphod Q. Beeblebrox"})
    owner = next(user for user in account.account.records("users") if user["active_flag"])
    stage = next(one for one in account.account.records("stages") if not one["is_deleted"])
    pipeline = record_of(account, "pipelines", stage["pipeline_id"])
    said = done(
        writer, "create", "deals", "--set", "title=Linked", "--set", "person_id=zaphod q. beeblebrox",
        "--set", f"owner_id={owner['email']}", "--set", f"Stage={pipeline['name']} / {stage['name']}",
    )  # fmt: skip
    deal = record_of(account, "deals", said["id"])
    assert (deal["person_id"], deal["owner_id"], deal["stage_id"]) == (person["id"], owner["id"], stage["id"])
    lead = done(writer, "create", "leads", "--set", "title=L", "--set", f"person_id={person['id']}",
                "--set", "value=500 EUR")  # fmt: skip
    assert record_of(account, "leads", lead["id"])["value"] == {"amount": 500, "currency": "EUR"}
    note = done(writer, "create", "notes", "--set", "content=<b>Hi</b>", "--set", f"deal_id={deal['id']}",
                "--set", f"lead_id={lead['id']}", "--set", "pinned_to_deal_flag=yes")  # fmt: skip
    assert record_of(account, "notes", note["id"])["pinned_to_deal_flag"] is True


CUSTOM_VALUES = {
    "Purchase order": ("PO 7", "PO 7"),
    "Roof area (m²)": ("12.5", 12.5),
    "Hardware cost": ("99.50 EUR", {"value": 99.5, "currency": "EUR"}),
    "Contract type": ("rent", 103),
    "Equipment": ("Panels; Inverter", [105, 106]),
    "Permit date": ("2026-02-03", "2026-02-03"),
    "Installation window": ("2026-02-03 to 2026-02-05", {"value": "2026-02-03", "until": "2026-02-05"}),
    "Preferred call time": ("9:00", {"value": "09:00:00", "timezone_id": None, "timezone_name": None}),
}


@pytest.mark.parametrize("name", ["deals", "leads"])
def test_custom_fields_of_every_type_are_written_and_cleared(
    writer: Project, account: DemoServer, name: str
) -> None:
    record = live(account, name)
    keys = {label: custom(account, "deals", label) for label in CUSTOM_VALUES}
    pairs = [f"{keys[label]}={text}" for label, (text, _) in CUSTOM_VALUES.items()]
    done(writer, "update", name, str(record["id"]), *(w for pair in pairs for w in ("--set", pair)))
    shown = writer.run("record", "show", name, str(record["id"]), "--json")
    values = {one["key"]: one["value"] for one in json.loads(shown.out)["values"]}
    for label, (_, expected) in CUSTOM_VALUES.items():
        without_zone = {k: v for k, v in expected.items() if v} if isinstance(expected, dict) else expected
        assert values[keys[label]] == without_zone, label
    again = writer.run("record", "update", name, str(record["id"]), *(w for p in pairs for w in ("--set", p)))
    assert (again.code, "nothing was sent" in again.out) == (0, True)
    done(
        writer, "update", name, str(record["id"]), *(w for key in keys.values() for w in ("--set", f"{key}="))
    )
    cleared = writer.run("record", "show", name, str(record["id"]), "--json")
    assert not [
        one for one in json.loads(cleared.out)["values"] if one["key"] in keys.values() and one["value"]
    ]


def test_an_update_sends_only_what_differs(writer: Project, account: DemoServer) -> None:
    deal = live(account, "deals")
    before = len(account.account.requests)
    said = done(
        writer, "update", "deals", str(deal["id"]), "--set", f"title={deal['title']}", "--set", "value=7"
    )
    assert [value["key"] for value in said["values"]] == ["value"]
    sent = [request for request in account.account.requests[before:] if request.method != "GET"]
    assert [(request.method, request.tokens) for request in sent] == [("PATCH", 5)]


def test_everything_wrong_is_said_at_once_before_anything_is_sent(
    writer: Project, account: DemoServer
) -> None:
    before = writes(account)
    (writer.folder / "deal.yaml").write_text(
        "value: much\nstatus: maybe\nupdate_time: 2026-01-01T00:00:00Z\ntitel: x\nlabel_ids: [Tendr]\n"
        "owner_id: nobody\nperson_id: 987654321\nis_archived: perhaps\nvisible_to: 2\n"
    )
    ended = writer.run("record", "create", "deals", "--from", "deal.yaml")
    assert ended.code == 2
    for part in (
        "value: is a number", "status: is one of open, won, lost", "update_time: Cannot be written",
        "titel: There is no property", "Did you mean `Title`", "label_ids: has no option `Tendr`",
        "owner_id: names `nobody`", "person_id: refers to a person 987654321, which is not there",
        "is_archived: is true or false", "visible_to: is one of", "title: This property is required",
    ):  # fmt: skip
        assert part in ended.err, (part, ended.err)
    assert writes(account) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "deels"], "Did you mean `deals`"),
        (["show", "deals", "999999"], "There is no record 999999 among deals"),
        (["show", "deals", "x"], "`x` is not an id"),
        (["update", "pipelines", "1"], "nothing to change"),
        (["create", "notes", "--set", "content=x"], "One of lead_id, deal_id"),
        (["create", "deals", "--set", "title=x", "--set", "Title=y"], "Is the same property as `title`"),
        (["create", "persons", "--set", "name=x", "--set", "first_name=y"], "It follows from `name`"),
        (["create", "deals", "--set", "title="], "title: cannot be empty"),
        (["create", "leads", "--set", "title=x", "--set", "is_archived=1", "--set", "person_id=1"],
         "not at creation"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_bad_input(writer: Project, arguments: list[str], said: str) -> None:
    ended = writer.run("record", *arguments)
    assert ended.code == 2, ended.out
    assert said in ended.err


def test_archived_and_deleted_records_are_not_changed(writer: Project, account: DemoServer) -> None:
    archived, deleted = [one["id"] for one in account.account.records("deals")
                         if not one["is_deleted"] and not one["is_archived"]][:2]  # fmt: skip
    account.write("PATCH", f"/api/v2/deals/{archived}", {"is_archived": True})
    account.write("DELETE", f"/api/v2/deals/{deleted}")
    refused = writer.run("record", "update", "deals", str(archived), "--set", "title=x")
    assert (refused.code, "is archived" in refused.err) == (2, True)
    done(writer, "update", "deals", str(archived), "--set", "is_archived=false")
    assert writer.run("record", "update", "deals", str(deleted), "--set", "title=x").code == 2


def test_a_deletion_is_asked_for_and_refused_without_an_answer(writer: Project, account: DemoServer) -> None:
    note = live(account, "notes")
    ended = writer.run("record", "delete", "notes", str(note["id"]))
    assert ended.code == 1
    assert record_of(account, "notes", note["id"])["active_flag"] is True
    done(writer, "delete", "notes", str(note["id"]), "--yes")
    assert record_of(account, "notes", note["id"])["active_flag"] is False


def test_nothing_is_written_without_permission_and_a_dry_run_needs_none(
    project: Project, account: DemoServer
) -> None:
    project.connect_to(account)
    before = writes(account)
    refused = project.run("record", "create", "pipelines", "--set", "name=x")
    assert (refused.code, "PIPEDRIVE_ALLOW_WRITES" in refused.err) == (2, True)
    tried = project.run("record", "create", "pipelines", "--set", "name=x", "--dry-run")
    assert (tried.code, "for 5 tokens" in tried.out) == (0, True)
    assert writes(account) == before


def test_two_records_become_one(writer: Project, account: DemoServer) -> None:
    one, other = [record for record in account.account.records("persons") if not record["is_deleted"]][:2]
    arguments = ("merge", "persons", str(one["id"]), "--into", str(other["id"]))
    tried = writer.run("record", *arguments, "--dry-run")
    assert (tried.code, "for 40 tokens" in tried.out) == (0, True)
    assert writer.run("record", *arguments).code == 1
    assert not record_of(account, "persons", one["id"])["is_deleted"]
    assert done(writer, *arguments, "--yes")["id"] == str(other["id"])
    assert record_of(account, "persons", one["id"])["is_deleted"]
    assert not record_of(account, "persons", other["id"])["is_deleted"]
    again = writer.run("record", *arguments, "--yes")
    assert (again.code, "There is no record" in again.err) == (2, True)
    notes = writer.run("record", "merge", "notes", "1", "--into", "2")
    assert (notes.code, "not notes" in notes.err) == (2, True)


def test_a_record_below_another_one_is_made_changed_and_taken_back(
    writer: Project, account: DemoServer
) -> None:
    deal, product = live(account, "deals")["id"], live(account, "products")["id"]
    given = [w for pair in (f"product_id={product}", "item_price=10", "quantity=2") for w in ("--set", pair)]
    assert writer.run("record", "create", "deal_products", *given).code == 2
    assert writer.run("record", "create", "deal_products", "--below", "987654", *given).code == 2
    made = done(writer, "create", "deal_products", "--below", str(deal), *given)["id"]
    done(writer, "update", "deal_products", made, "--set", "quantity=3")
    assert account.account.children.of("deal_products", deal)[-1]["quantity"] == 3
    done(writer, "undo", "deal_products", made)
    assert account.account.children.of("deal_products", deal)[-1]["quantity"] == 2
    done(writer, "undo", "deal_products", made, "--yes")
    assert str(account.account.children.of("deal_products", deal)[-1:]).count(made.split("/")[1]) == 0
    again = writer.run("record", "undo", "deal_products", made)
    assert (again.code, "can be taken back" in again.err) == (2, True)


def test_a_single_change_is_in_the_ledger_and_what_nothing_takes_back_says_so(
    writer: Project, account: DemoServer
) -> None:
    deal = live(account, "deals")
    done(writer, "update", "deals", str(deal["id"]), "--set", "title=Changed by hand")
    done(writer, "delete", "deals", str(deal["id"]), "--yes")
    done(writer, "undo", "deals", str(deal["id"]))
    assert record_of(account, "deals", deal["id"])["title"] == "Changed by hand"
    account.write("PATCH", f"/api/v2/deals/{deal['id']}", {"title": "Theirs"})
    moved = writer.run("record", "undo", "deals", str(deal["id"]))
    assert (moved.code != 0, "It was changed since" in moved.err) == (True, True)
    lead = live(account, "leads")["id"]
    done(writer, "convert", "leads", lead, "--yes")
    refused = writer.run("record", "undo", "leads", lead)
    assert (refused.code != 0, "Nothing takes a convert back" in refused.err) == (True, True)
    with writer.opened() as connection:
        kept = connection.execute(
            "SELECT kind, status, record_id FROM write_ledger.changes WHERE record_id IN (?, ?) "
            "ORDER BY sent_at, answered_at",
            [str(deal["id"]), lead],
        ).fetchall()
    assert {("update", "done"), ("delete", "done"), ("update", "moved")} <= {row[:2] for row in kept}


def test_records_are_converted_archived_and_restored(writer: Project, account: DemoServer) -> None:
    lead = live(account, "leads")
    assert writer.run("record", "convert", "leads", lead["id"]).code == 1
    deal = done(writer, "convert", "leads", lead["id"], "--yes")["id"]
    assert record_of(account, "deals", deal)["title"] == lead["title"]
    assert account.account.record("leads", lead["id"]) is None
    done(writer, "archive", "deals", str(deal))
    assert record_of(account, "deals", deal)["is_archived"]
    done(writer, "restore", "deals", str(deal))
    done(writer, "delete", "deals", str(deal), "--yes")
    done(writer, "restore", "deals", str(deal))
    assert not record_of(account, "deals", deal)["is_deleted"]
    again = writer.run("record", "restore", "deals", str(deal))
    assert (again.code, "neither deleted nor archived" in again.err) == (2, True)
    project = next(one for one in account.account.records("projects") if not one["archive_time"])
    done(writer, "archive", "projects", str(project["id"]), "--yes")
    assert record_of(account, "projects", project["id"])["archive_time"]
    assert writer.run("record", "archive", "persons", "1").code == 2


def test_the_shell_completes_properties_options_and_their_words(
    project: Project, account: DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = cast("Any", SimpleNamespace(params={"object_type": "persons"}))
    monkeypatch.chdir(project.folder)
    assert "name=" in known_values(context, "na")
    assert known_values(context, "marketing_status=sub") == ["marketing_status=subscribed"]
    assert known_values(context, "Label=h") == []
    project.write("all_persons", PERSONS | {"properties": ["name", "label_ids"]})
    project.connect_to(account)
    project.bring("all_persons", account)
    assert "Label=" in known_values(context, "la")
    assert known_values(context, "Label=h") == ["Label=Hot lead"]
