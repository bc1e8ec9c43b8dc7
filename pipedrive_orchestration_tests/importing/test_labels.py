"""Comments, the view under labels, and the history of fields and options between imports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipedrive_orchestration.importing import ImportReport
from pipedrive_orchestration_tests.importing.accounts import account, deal, field, options
from pipedrive_orchestration_tests.importing.canned import serving
from pipedrive_orchestration_tests.importing.imports import quarantine, query, rows, run, source

HOT, TAGS = "a" * 40, "b" * 40


def imported(
    folder: Path, fields: list[dict[str, Any]], found: list[Any], keys: list[str], **choices: Any
) -> ImportReport:
    """Import deals of an account with those fields and records."""
    with serving(account("deals", found, fields)) as served:
        return run(source("deals", keys, **choices), served.connection, folder)


def view(folder: Path) -> list[tuple[Any, ...]]:
    return query(folder, "SELECT * FROM pipedrive_labeled.deals ORDER BY 1")


def view_columns(folder: Path) -> list[str]:
    found = query(
        folder,
        "SELECT column_name FROM duckdb_columns() WHERE schema_name = 'pipedrive_labeled' "
        "ORDER BY column_index",
    )
    return [name for (name,) in found]


def test_columns_carry_label_and_type_as_comments(tmp_path: Path) -> None:
    fields = [
        field("title", "varchar", 'Deal\'s "title" 🏷️', is_custom_field=False),
        field(HOT, "enum", "Hot; DROP TABLE x--", options=options(_1="a")),
    ]
    labels = [{"name": "value", "label": "User's value"}]
    imported(tmp_path, fields, [], ["title", "value", HOT], properties_metadata=labels)
    comments = dict(
        query(
            tmp_path,
            "SELECT column_name, comment FROM duckdb_columns() "
            "WHERE schema_name = 'pipedrive' AND table_name = 'deals'",
        )
    )
    assert comments["title"] == 'Deal\'s "title" 🏷️ (varchar)'
    assert comments[HOT] == "Hot; DROP TABLE x-- (enum)"
    assert comments["value"] == "User's value (double)"
    assert all(comments.values())


def test_colliding_labels_are_told_apart(tmp_path: Path) -> None:
    keys = [character * 40 for character in "cdefab"]
    labels = ["Size", "size", "Size (2)", "SIZE", '"quoted".dotted', "Größe 👕"]
    fields = [field(key, "varchar", label) for key, label in zip(keys, labels, strict=True)]
    values = {key: f"value {index}" for index, key in enumerate(keys)}
    imported(tmp_path, fields, [deal(1, values)], keys)
    names = ["Size", "size (2)", "Size (2) (2)", "SIZE (3)", '"quoted".dotted', "Größe 👕"]
    assert view_columns(tmp_path) == names
    assert view(tmp_path) == [tuple(values[key] for key in keys)]


def test_the_users_own_labels_win(tmp_path: Path) -> None:
    labels = [{"name": "title", "label": "Name"}, {"value": HOT, "label": "Warmth", "extras": {}}]
    fields = [field(HOT, "varchar", "Hot")]
    imported(tmp_path, fields, [], ["id", "title", HOT], properties_metadata=labels)
    assert view_columns(tmp_path) == ["Id", "Name", "Warmth"]


def test_option_ids_are_shown_as_labels(tmp_path: Path) -> None:
    choices = options(_1="O'Neil", _2="Ünï 🎉", _3="Same", _4="Same")
    fields = [
        field(HOT, "enum", options=choices),
        field(TAGS, "set", options=choices),
        field("label", "set", "Label", options=options(_9="VIP"), is_custom_field=False),
        field("status", "status", options=[{"id": "open", "label": "Offen"}], is_custom_field=False),
    ]
    found = [
        deal(1, {HOT: 1, TAGS: [2, 3, 4]}, label_ids=[9], status="open"),
        deal(2, {HOT: 77, TAGS: [1, 77]}, label_ids=[], status="won"),
        deal(3, {HOT: None, TAGS: None}, label_ids=None, status=None),
    ]
    imported(tmp_path, fields, found, ["id", HOT, TAGS, "label_ids", "status"])
    assert view(tmp_path) == [
        (1, "O'Neil", ["Ünï 🎉", "Same", "Same"], ["VIP"], "Offen"),
        (2, "77", ["O'Neil", "77"], [], "won"),
        (3, None, None, None, None),
    ]


def test_the_view_shows_current_rows_only(tmp_path: Path) -> None:
    imported(tmp_path, [], [deal(1), deal(2)], ["id"])
    imported(tmp_path, [], [deal(2)], ["id"])
    assert set(rows(tmp_path, "deals")) == {1, 2}
    assert view(tmp_path) == [(2,)]


def test_deleted_and_renamed_options_keep_a_label(tmp_path: Path) -> None:
    found = [deal(1, {HOT: 1}), deal(2, {HOT: 2})]
    imported(tmp_path, [field(HOT, "enum", "Hot", options=options(_1="Cold", _2="Warm"))], found, ["id", HOT])
    report = imported(
        tmp_path, [field(HOT, "enum", "Hot", options=options(_2="Lukewarm"))], found, ["id", HOT]
    )
    assert view(tmp_path) == [(1, "Cold"), (2, "Lukewarm")]
    assert [note for note in report.notes if note.startswith("option")] == [
        f"option {HOT} / 1 (Cold) is gone at Pipedrive; its last values and labels are kept",
        f"option {HOT} / 2 is renamed: Warm -> Lukewarm",
    ]
    imported(tmp_path, [field(HOT, "enum", "Hot", options=None)], found, ["id", HOT])
    history = query(
        tmp_path,
        "SELECT option_id, label, valid_to IS NULL FROM import_ledger.field_options "
        "ORDER BY option_id, valid_from",
    )
    assert history == [("1", "Cold", False), ("2", "Warm", False), ("2", "Lukewarm", False)]


def test_options_that_all_went_away_still_have_labels(tmp_path: Path) -> None:
    imported(tmp_path, [field(HOT, "enum", "Hot", options=options(_1="Cold"))], [deal(1, {HOT: 1})], [HOT])
    imported(tmp_path, [field(HOT, "enum", "Hot", options=None)], [deal(1, {HOT: 1})], [HOT])
    assert view(tmp_path) == [("Cold",)]


def test_fields_have_a_history(tmp_path: Path) -> None:
    first = [field(HOT, "varchar", "Hot"), field(TAGS, "varchar", "Tags")]
    assert imported(tmp_path, first, [deal(1, {HOT: "x"})], ["id", HOT]).notes == ()
    second = [field(HOT, "varchar", "Hotness"), field("c" * 40, "date", "New one")]
    report = imported(tmp_path, second, [deal(1, {HOT: "x"})], ["id", HOT])
    assert set(report.notes) == {
        f"field {HOT} is renamed: Hot, varchar -> Hotness, varchar",
        f"field {TAGS} (Tags) is gone at Pipedrive; its last values and labels are kept",
        f"field {'c' * 40} is new: New one",
    }
    history = query(
        tmp_path,
        "SELECT key, label, valid_to IS NULL FROM import_ledger.fields WHERE is_custom "
        "ORDER BY key, valid_from",
    )
    assert history == [
        (HOT, "Hot", False),
        (HOT, "Hotness", True),
        (TAGS, "Tags", False),
        ("c" * 40, "New one", True),
    ]
    assert view_columns(tmp_path) == ["Id", "Hotness"]


def test_a_retyped_field_takes_along_what_fits_and_sets_the_rest_aside(tmp_path: Path) -> None:
    found = [deal(1, {HOT: "12"}), deal(2, {HOT: "twelve"}), deal(3, {HOT: None})]
    imported(tmp_path, [field(HOT, "varchar", "Hot")], found, ["id", HOT], options={"history": True})
    # Only the third deal comes again; the others keep what they had.
    later = [deal(3, {HOT: 5}, update_time="2026-02-02T00:00:00Z")]
    unchanged = [deal(1, {HOT: "12"}), deal(2, {HOT: "twelve"})]
    fields = [field(HOT, "int", "Hot")]
    report = imported(tmp_path, fields, [*unchanged, *later], ["id", HOT], options={"history": True})
    assert {number: row[HOT] for number, row in rows(tmp_path, "deals").items()} == {1: 12, 2: None, 3: 5}
    assert quarantine(tmp_path) == [("2", HOT, '"twelve"')]
    assert any(
        note.startswith(f"column {HOT} changed from VARCHAR to BIGINT; 1 values") for note in report.notes
    )


def test_a_property_that_is_added_later_gets_a_column(tmp_path: Path) -> None:
    imported(tmp_path, [], [deal(1, value=5)], ["id"])
    report = imported(tmp_path, [], [deal(1, value=5)], ["id", "value"])
    assert rows(tmp_path, "deals")[1]["value"] == 5.0
    assert "column value added as DOUBLE" in report.notes


def test_a_field_with_ten_thousand_options_is_recorded_at_once(tmp_path: Path) -> None:
    many = [{"id": number, "label": f"Option {number}"} for number in range(10_000)]
    imported(tmp_path, [field(HOT, "enum", "Hot", options=many)], [deal(1, {HOT: 9_999})], ["id", HOT])
    assert view(tmp_path) == [(1, "Option 9999")]
    assert query(tmp_path, "SELECT count(*) FROM import_ledger.field_options") == [(10_000,)]
