"""Answers as Pipedrive has been seen to give them.

See docs/pipedrive-api.md#pagination, docs/pipedrive-api.md#custom-field-values.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipedrive_orchestration.importing import Pull
from pipedrive_orchestration.pipedrive.catalogue import RECENTS_PATH
from pipedrive_orchestration_tests.importing.accounts import UPDATED, account, deal, field, options
from pipedrive_orchestration_tests.importing.canned import Answer, Asked, Reply, page, records, serving
from pipedrive_orchestration_tests.importing.imports import quarantine, query, rows, run, source
from pipedrive_orchestration_tests.importing.official import FOLDER, recents_example

DEALS = "/api/v2/deals"
FIELDS = "/api/v2/dealFields"


def land(
    folder: Path, reply: Reply, keys: list[str], fields: list[dict[str, Any]] | None = None
) -> dict[Any, Any]:
    """The rows of deals that an account with that list of deals gives."""
    with serving({DEALS: reply, FIELDS: records(*(fields or []))}) as served:
        run(source("deals", keys), served.connection, folder)
    return rows(folder, "deals")


def raw(body: str | bytes) -> Reply:
    """A list whose first page has exactly that body."""
    empty = '{"success":true,"data":[]}'
    return lambda asked: Answer(empty if asked.goes_on else body)


@pytest.mark.parametrize(
    "body",
    [
        {"success": True, "data": []},
        {"success": True, "data": [], "additional_data": None},
        {"success": True, "data": [], "additional_data": {"next_cursor": ""}},
    ],
    ids=json.dumps,
)
def test_an_empty_list_can_look_like_several_things(tmp_path: Path, body: Any) -> None:
    assert land(tmp_path, page(body), ["title"]) == {}


@pytest.mark.parametrize(
    "additional", [{}, {"additional_data": None}, {"additional_data": {}}], ids=json.dumps
)
def test_a_list_ends_where_nothing_says_that_it_goes_on(tmp_path: Path, additional: dict[str, Any]) -> None:
    body = {"success": True, "data": [deal(1)]} | additional
    assert set(land(tmp_path, page(body), ["title"])) == {1}


@pytest.mark.parametrize("custom", [None, {}, [], {"hot": None}, {"hot": "", "price": ""}], ids=json.dumps)
def test_custom_fields_can_be_nothing_in_many_ways(tmp_path: Path, custom: Any) -> None:
    fields = [
        field("hot", "enum", options=options(_7="Hot")),
        field("price", "monetary"),
        field("tags", "set"),
    ]
    found = land(tmp_path, records(deal(1, custom)), ["hot", "price", "tags"], fields)
    assert (found[1]["hot"], found[1]["price"], found[1]["tags"]) == (None, None, None)
    assert quarantine(tmp_path) == []


def test_money_without_a_currency_and_an_option_as_text_or_object(tmp_path: Path) -> None:
    fields = [
        field("hot", "enum", options=options(_7="Hot")),
        field("price", "monetary"),
        field("tags", "set"),
    ]
    labelled = {"hot": {"id": 7, "label": "Hot"}, "tags": [{"id": 1, "label": "One"}]}
    found = land(
        tmp_path,
        records(
            deal(1, {"price": {"value": 5, "currency": None}, "hot": "7", "tags": "1, 2"}), deal(2, labelled)
        ),
        ["hot", "price", "tags"],
        fields,
    )
    assert found[1]["price"] == {"value": 5.0, "currency": None}
    assert (found[1]["hot"], found[1]["tags"]) == (7, [1, 2])
    assert (found[2]["hot"], found[2]["tags"]) == (7, [1])
    assert quarantine(tmp_path) == []


def test_the_newest_state_of_a_record_that_comes_twice_wins(tmp_path: Path) -> None:
    older, newer = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    pages: dict[str | None, dict[str, Any]] = {
        None: {"data": [deal(1, title="new", update_time=newer), deal(2, title="first")], "next": "a"},
        "a": {"data": [deal(1, title="old", update_time=older), deal(2, title="second")], "next": None},
    }

    def reply(asked: Asked) -> Answer:
        found = pages[asked.query.get("cursor")]
        return Answer(
            {"success": True, "data": found["data"], "additional_data": {"next_cursor": found["next"]}}
        )

    found = land(tmp_path, reply, ["title"])
    assert (found[1]["title"], found[2]["title"]) == ("new", "second")


@pytest.mark.parametrize("stranger", [{"title": "no id"}, {"id": None}, {"id": "x"}, {}, None, 5, [], "text"])
def test_what_has_no_id_does_not_stop_the_others(tmp_path: Path, stranger: Any) -> None:
    assert set(land(tmp_path, records(deal(1), stranger, deal(2)), ["title"])) == {1, 2}
    [(record_id, key, value)] = quarantine(tmp_path)
    assert (record_id, key, json.loads(value)) == (None, "id", stranger)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=repr)
def test_pretty_printed_answers_are_read(tmp_path: Path, newline: str) -> None:
    body = json.dumps({"success": True, "data": [deal(1, {"a": None}), deal(2)]}, indent=2)
    found = land(tmp_path, raw(body.replace("\n", newline)), ["title"])
    assert {number: row["title"] for number, row in found.items()} == {1: "Deal 1", 2: "Deal 2"}


TEXTS = {
    "emoji": "Müller 👩‍👩‍👧 GmbH 🏗️",
    "right to left": "شركة النور — חברה",
    "quotes and breaks": "a \"b\" 'c' \\ d\te\r\nf\u2028g\u0085",
    "NUL": "a\0b",
    "a megabyte": "Ω" * (512 * 1024),
    "looks like JSON": '{"a": [1]}',
    "looks like null": "null",
    "blank": "",
    "spaces": "  x  ",
}


@pytest.mark.parametrize("ascii_only", [True, False])
def test_texts_land_unchanged(tmp_path: Path, ascii_only: bool) -> None:
    found = [deal(number, title=text) for number, text in enumerate(TEXTS.values())]
    body = json.dumps({"success": True, "data": found}, ensure_ascii=ascii_only)
    landed = land(tmp_path, raw(body), ["title"])
    assert {name: landed[number]["title"] for number, name in enumerate(TEXTS)} == TEXTS


@pytest.mark.parametrize(
    "half", [b"\\ud83d", b"\\uDE00", b"\\ud83dx\\ud83d", b"\xf0\x9f\x98", b"\xff"], ids=repr
)
def test_half_a_character_hides_nothing_but_itself(tmp_path: Path, half: bytes) -> None:
    whole = b"\\ud83d\\ude00 \\\\ud83d"
    body = b'{"success":true,"data":[{"id":1,"title":"cut ' + half + b'"},{"id":2,"title":"' + whole + b'"}]}'
    landed = land(tmp_path, raw(body), ["title"])
    assert landed[1]["title"].startswith("cut \N{REPLACEMENT CHARACTER}")
    assert landed[2]["title"] == "\N{GRINNING FACE} \\ud83d"


def test_numbers_that_no_column_holds_are_set_aside(tmp_path: Path) -> None:
    body = (
        '{"success":true,"data":[{"id":1,"value":1e999,"channel":9223372036854775808},'
        '{"id":2,"value":1e308,"channel":9223372036854775807},{"id":3,"value":-0.0,"channel":1e3},'
        '{"id":4,"value":5,"channel":15e-1}]}'
    )
    landed = land(tmp_path, raw(body), ["value", "channel"])
    assert {number: (row["value"], row["channel"]) for number, row in landed.items()} == {
        1: (None, None),
        2: (1e308, 9223372036854775807),
        3: (0.0, 1000),
        4: (5.0, None),
    }
    assert [(number, key) for number, key, _ in quarantine(tmp_path)] == [
        ("1", "channel"),
        ("1", "value"),
        ("4", "channel"),
    ]


def test_users_have_numbers_for_booleans(tmp_path: Path) -> None:
    found = [{"id": 1, "is_admin": 1, "active_flag": True}, {"id": 2, "is_admin": 0, "active_flag": "0"}]
    with serving(account("users", found)) as served:
        run(source("users", ["is_admin", "active_flag", "phone"]), served.connection, tmp_path)
    landed = rows(tmp_path, "users")
    assert [(row["is_admin"], row["active_flag"]) for row in landed.values()] == [
        (True, True),
        (False, False),
    ]


def test_recents_can_carry_null_or_an_array_where_a_record_should_be(tmp_path: Path) -> None:
    people = [{"id": number, "name": "P", "update_time": UPDATED} for number in (1, 2, 3)]
    with serving(account("persons", people)) as served:
        run(source("persons", ["name"]), served.connection, tmp_path)
    removed = {"id": 3, "active_flag": False, "update_time": "2026-01-03 00:00:00"}
    recent = [
        {"item": "person", "id": 1, "data": None},
        {"item": "person", "id": 2, "data": [{"id": 2, "active_flag": False}]},
        {"item": "person", "id": 3, "data": removed},
    ]
    there = Answer({"success": True, "data": people[:1], "additional_data": {"next_cursor": None}})
    with serving({RECENTS_PATH: records(*recent), "/api/v2/persons": lambda _: there}) as served:
        run(source("persons", ["name"]), served.connection, tmp_path, Pull.CHANGES)
    assert query(tmp_path, "SELECT _id, _is_current, _removal FROM pipedrive.persons ORDER BY 1") == [
        (1, True, None),
        (2, False, "deleted"),
        (3, False, "deleted"),
    ]


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"Pipedrive's OpenAPI files are not in {FOLDER}")
def test_the_official_example_of_recents_removes_nothing(tmp_path: Path) -> None:
    active = [{"id": 8, "subject": "Deadline", "update_time": UPDATED}]
    what = source("activities", ["subject"])
    with serving(account("activities", active)) as served:
        run(what, served.connection, tmp_path)
    with serving({RECENTS_PATH: page(recents_example())}) as served:
        run(what, served.connection, tmp_path, Pull.CHANGES)
        assert RECENTS_PATH in {asked.path for asked in served.asked}
    assert query(tmp_path, "SELECT _id, _is_current FROM pipedrive.activities") == [(8, True)]
