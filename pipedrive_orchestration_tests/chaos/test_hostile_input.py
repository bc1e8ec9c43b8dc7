"""Labels, values, names and files that were not meant well: taken as they are, or refused with a reason."""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.importing import UnfitSourceError, preview
from pipedrive_orchestration.orchestration.project_files import project_files_definitions
from pipedrive_orchestration.orchestration.source.asset import description_of
from pipedrive_orchestration.orchestration.source.table_metadata import (
    markdown_table,
    plain_markdown,
    table_metadata,
)
from pipedrive_orchestration.sources import InMemoryKeyValues, InvalidBodyError, SourceBody, SourceStore
from pipedrive_orchestration.sources.yaml_document import Document
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.workflows import LoadedWorkflows
from pipedrive_orchestration_tests.chaos.figures import FIGURES
from pipedrive_orchestration_tests.chaos.sizes import BODIES
from pipedrive_orchestration_tests.importing.accounts import account, deal, field
from pipedrive_orchestration_tests.importing.canned import serving
from pipedrive_orchestration_tests.importing.imports import query, rows, run, source

NASTY = [
    "it's", '"quoted"', "Robert'); DROP TABLE pipedrive.deals; --", "a\x00b", "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>", "[click](javascript:alert(1))", "![x](http://evil.example/?c)", "a|b",
    "../../etc/passwd", "C:\\temp\\..\\x", "{{ input.email }}", "%s %d {0}", "$(id) `id`", "\u202egnp.exe",
    "line\nbreak\r\n\ttab", "&lt;b&gt; &amp;", "---", "NULL", "x" * 2**20, "ﷺ 🧨 ÅÅ", "\ud83d",
]  # fmt: skip
BODY = {"name": "Good", "object_type": "persons", "properties": ["name"], "pull_mode": "static"}


def test_values_and_labels_land_as_they_are_and_run_nowhere(tmp_path: Path) -> None:
    keys = [f"{number:040x}" for number in range(len(NASTY))]
    fields = [field(key, "varchar", label=nasty) for key, nasty in zip(keys, NASTY, strict=True)]
    found = [deal(n, dict.fromkeys(keys[:3], nasty), title=nasty) for n, nasty in enumerate(NASTY, 1)]
    with serving(account("deals", found, fields)) as served:
        what = source("deals", ["title", *keys])
        report = run(what, served.connection, tmp_path)
        shown = preview(SourceBody.parse(what.body), connection=served.connection)
    assert (report.rows.current, report.quarantined) == (len(NASTY), 0)
    landed = rows(tmp_path, "deals")
    for number, nasty in enumerate(NASTY, 1):
        assert landed[number]["title"] == landed[number][keys[0]] == nasty.replace("\ud83d", "\ufffd")
    assert len(query(tmp_path, "SELECT * FROM pipedrive_labeled.deals")) == len(NASTY)
    assert shown.total_results == len(NASTY)
    table = markdown_table(list(shown.labels.values()), shown.texts)
    log = logging.getLogger(__name__)
    metadata = table_metadata(log, Warehouse(str(tmp_path / "warehouse.duckdb")), what)
    shown_there = [value for value in metadata.values() if isinstance(value, dg.MarkdownMetadataValue)]
    markdown = [str(value.md_str) for value in shown_there]
    assert markdown, "no table was shown"
    for text in (table, *markdown):
        assert_harmless(text)
    FIGURES["hostile labels and values imported"] += len(keys) + len(found)


def assert_harmless(markdown: str) -> None:
    """No character that begins HTML, a link or a picture stands there without a backslash before it."""
    plain = markdown.replace("\\\\", "")
    for begins in ("<", "[", "`"):
        assert plain.count(begins) == plain.count(f"\\{begins}"), f"{begins} in {markdown}"


@given(st.text(max_size=40) | st.sampled_from(NASTY[:-3]))
@settings(max_examples=BODIES, deadline=None, derandomize=True)
def test_markdown_of_any_text_is_harmless_and_says_it(text: str) -> None:
    assert_harmless(plain_markdown(text))
    assert plain_markdown(text).replace("\\", "") == text.replace("\\", "")


def test_names_and_problems_of_files_are_shown_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    for number, nasty in enumerate(NASTY[4:8]):
        bad = {**BODY, nasty: 1, "object_type": nasty}
        (tmp_path / "sources" / f"bad_{number}.yaml").write_text(yaml.safe_dump(bad))
    good = {**BODY, "name": NASTY[4]}
    (tmp_path / "sources" / "good.yaml").write_text(yaml.safe_dump(good))
    loaded = SourceStore(tmp_path, InMemoryKeyValues()).load()
    assert (len(loaded.sources), len(loaded.bad_files)) == (1, 4)
    assert_harmless(description_of(loaded.sources[0]).replace("`", ""))
    (spec,) = project_files_definitions(loaded, LoadedWorkflows()).assets or ()
    assert isinstance(spec, dg.AssetSpec)
    assert spec.description is not None
    assert_harmless(spec.description)


@pytest.mark.parametrize("key", ["_id", "_ID", "_update_time", "_Is_Current", "_valid_to", "TITLE"])
def test_a_property_whose_name_is_taken_is_refused(tmp_path: Path, key: str) -> None:
    with serving(account("deals", [deal(1, {key: "x"})], [field(key, "varchar")])) as served:
        what = source("deals", ["title", key])
        with pytest.raises(UnfitSourceError, match=r"deals.yaml: properties\[1\]: .* cannot be a column"):
            run(what, served.connection, tmp_path)
        with pytest.raises(InvalidBodyError, match="cannot be a column"):
            preview(SourceBody.parse(what.body), connection=served.connection)
    assert not (tmp_path / "warehouse.duckdb").exists()


def test_properties_with_odd_names_are_columns(tmp_path: Path) -> None:
    keys = ["select", "rowid", "t", "i", "v", "a.b", "a b", "É", "record", "raw", "page", "Robert'); --"]
    fields = [field(key, "varchar") for key in keys]
    with serving(account("deals", [deal(1, dict.fromkeys(keys, "x"))], fields)) as served:
        run(source("deals", ["title", *keys], {"history": True}), served.connection, tmp_path)
    assert {rows(tmp_path, "deals")[1][key] for key in keys} == {"x"}


def test_options_whose_labels_differ_only_in_case(tmp_path: Path) -> None:
    labels = ["Hot", "hot", "HOT", *NASTY[:12]]
    options = [{"id": number, "label": label} for number, label in enumerate(labels, 1)]
    fields = [field("heat", "enum", options=options)]
    found = [deal(number, {"heat": number}) for number in range(1, len(labels) + 1)]
    with serving(account("deals", found, fields)) as served:
        run(source("deals", ["heat"]), served.connection, tmp_path)
    decoded = query(tmp_path, 'SELECT "Heat" FROM pipedrive_labeled.deals ORDER BY 1')
    assert sorted(label for (label,) in decoded) == sorted(labels)


def test_slugs_that_are_words_of_sql_are_tables(tmp_path: Path) -> None:
    with serving(account("deals", [deal(1)])) as served:
        for slug in ("select", "pipedrive"):
            run(source("deals", ["title"], slug=slug), served.connection, tmp_path)
            assert len(rows(tmp_path, slug)) == 1


def bomb(levels: int) -> str:
    """Aliases of aliases: ten to the power of ``levels`` texts where someone writes them out."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join([*lines, "name: Bomb", "object_type: persons", f"properties: *a{levels - 1}"])


BAD_FILES: dict[str, str | bytes] = {
    "bomb.yaml": bomb(9),
    "bomb_in_filters.yaml": bomb(9) + "\nfilters: *a8",
    "itself.yaml": "name: &a [*a]\nobject_type: persons\nproperties: *a",
    "python.yaml": "name: !!python/object/apply:os.system ['touch pwned']\nobject_type: persons",
    "tag.yaml": "name: !custom x\nobject_type: persons",
    "binary.yaml": b"\xff\xfe\x00\x01",
    "nul.yaml": json.dumps({**BODY, "name": "a\x00b"}),
    "deep.yaml": "properties: " + "[" * 50_000,
    "huge.yaml": "name: " + "x" * 2**21,
    "two.yaml": "name: a\n---\nname: b",
    "keys.yaml": "name: a\nname: b",
    "number.yaml": "42",
    "empty.yaml": "",
    "dots.in.name.yaml": yaml.safe_dump(BODY),
    "dashes-in-name.yaml": yaml.safe_dump(BODY),
    "Upper.yaml": yaml.safe_dump(BODY),
    "ünïcode.yaml": yaml.safe_dump(BODY),
    "1digit.yaml": yaml.safe_dump(BODY),
    "semi;colon.yaml": yaml.safe_dump(BODY),
    "x" * 70 + ".yaml": yaml.safe_dump(BODY),
    "merge.yaml": "<<: {name: a}\nobject_type: persons\nproperties: [name]\npull_mode: static\nx: 1",
}


def test_a_folder_of_five_hundred_sources_and_fifty_bad_files(tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    folder.mkdir()
    for number in range(450):
        (folder / f"good_{number}.yaml").write_text(yaml.safe_dump({**BODY, "name": f"Good {number}"}))
    for name, content in BAD_FILES.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    secret = tmp_path / "secret"
    secret.write_text("token: 0123456789abcdef")
    links = {"zero": Path("/dev/zero"), "nowhere": Path("/nowhere"), "loop": folder / "loop.yaml"}
    for name, target in {**links, "secret": secret, "folder": tmp_path}.items():
        (folder / f"{name}.yaml").symlink_to(target)
    os.mkfifo(folder / "pipe.yaml")
    (folder / "directory.yaml").mkdir()
    linked = tmp_path / "elsewhere.yaml"
    linked.write_text(yaml.safe_dump({**BODY, "name": "Linked"}))
    (folder / "linked.yaml").symlink_to(linked)
    rest = 50 - len(BAD_FILES) - 7
    for number in range(rest):
        (folder / f"bad_{number}.yaml").write_text(yaml.safe_dump({**BODY, "properties": [], "x": number}))
    began = time.monotonic()
    loaded = SourceStore(tmp_path, InMemoryKeyValues()).load()
    assert time.monotonic() - began < 20
    assert {one.slug for one in loaded.sources} == {f"good_{n}" for n in range(450)} | {"linked"}
    assert len(loaded.bad_files) == 50
    assert all(bad.problems for bad in loaded.bad_files)
    assert "0123456789abcdef" not in str([str(bad) for bad in loaded.bad_files])
    assert max(len(str(bad)) for bad in loaded.bad_files) < 5_000
    assert not Path("pwned").exists()
    FIGURES["hostile source files read"] += 50


@given(st.text(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
).map(lambda drawn: yaml.safe_dump({**BODY, "filters": drawn, "options": drawn})))  # fmt: skip
@settings(max_examples=BODIES, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_text_is_a_body_or_has_problems(text: str) -> None:
    FIGURES["hostile source files read"] += 1
    try:
        read: Any = SourceBody.parse(Document.parse(text).content)
    except InvalidBodyError as error:
        problems = error.problems
    else:
        assert isinstance(read, SourceBody)
        return
    assert problems
    assert all(problem.message for problem in problems)
