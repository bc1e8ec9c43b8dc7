from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipedrive_orchestration.sources import (
    BadFile,
    Hold,
    InMemoryKeyValues,
    InvalidBodyError,
    KeyValues,
    OldFileError,
    Source,
    SourceBody,
    SourceStore,
    UnknownSourceError,
)
from pipedrive_orchestration.sources.model import derive_slug, id_of_slug, is_slug
from pipedrive_orchestration_tests.sources.bodies import active_body, static_body

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
LATER = datetime(2026, 12, 1, tzinfo=UTC)


Store = Callable[..., SourceStore]


@pytest.fixture
def key_values() -> KeyValues:
    return InMemoryKeyValues()


@pytest.fixture
def store(project: Path, key_values: KeyValues) -> Store:
    """Makes stores of the project, each as another process would, with one memory."""

    def make(now: datetime = NOW) -> SourceStore:
        return SourceStore(project, key_values, clock=lambda: now)

    return make


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "sources").mkdir()
    return tmp_path


def write(project: Path, name: str, content: Any) -> Path:
    path = project / "sources" / name
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def codes(bad_files: tuple[BadFile, ...]) -> dict[str, list[str]]:
    return {Path(bad.path).name: [problem.code for problem in bad.problems] for bad in bad_files}


def test_good_files_load_beside_bad_ones(project: Path, store: Store) -> None:
    write(project, "deals.yaml", active_body())
    write(project, "leads.yml", static_body(object_type="leads"))
    write(project, "broken.yaml", "name: [")
    write(project, "list.yaml", "- a")
    write(project, "Upper.yaml", active_body())
    write(project, "invalid.yaml", active_body(name="", object_type="x"))
    write(project, "empty.yaml", "")
    write(project, "account.yaml", active_body())
    (project / "sources" / "folder.yaml").mkdir()
    (project / "sources" / "latin1.yaml").write_bytes("name: Zoë".encode("latin-1"))
    write(project, "notes.txt", "not looked at")
    write(project, ".hidden.yaml", "not looked at")
    loaded = store().load()
    assert [source.slug for source in loaded.sources] == ["deals", "leads"]
    assert codes(loaded.bad_files) == {
        "Upper.yaml": ["invalid_slug"],
        "account.yaml": ["reserved_slug"],
        "broken.yaml": ["invalid_yaml"],
        "empty.yaml": ["not_a_mapping"],
        "folder.yaml": ["unreadable"],
        "invalid.yaml": ["blank", "unknown_object_type"],
        "latin1.yaml": ["invalid_encoding"],
        "list.yaml": ["not_a_mapping"],
    }


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("name: x\nschedule: */5 * * * *\n", "line 2, column 12.*must be quoted"),
        ("name: x\n\n  object_type: deals\n", "line 3, column 14"),
        ("name: x\nname: y\n", "line 2, column 1: `name` stands twice"),
        ("x: !!python/object:os.system {}\n", "line 1, column 4"),
        ("[" * 200_000, "more than 100 levels"),
    ],
)
def test_what_is_not_yaml_is_told_with_line_and_column(
    project: Path, store: Store, text: str, where: str
) -> None:
    write(project, "x.yaml", text)
    (bad,) = store().load().bad_files
    assert re.search(where, str(bad))
    assert "x.yaml" in str(bad)


def test_an_unquoted_impossible_date_is_a_problem_of_its_field(project: Path, store: Store) -> None:
    write(project, "x.yaml", yaml.safe_dump(active_body()) + "expiration_date: 2027-02-30\n")
    (bad,) = store().load().bad_files
    assert [problem.field for problem in bad.problems] == ["expiration_date"]


def test_two_files_with_one_slug_are_both_left_out(project: Path, store: Store) -> None:
    write(project, "deals.yaml", active_body())
    write(project, "deals.yml", active_body(name=" "))
    write(project, "other.yaml", active_body())
    loaded = store().load()
    assert [source.slug for source in loaded.sources] == ["other"]
    assert codes(loaded.bad_files) == {
        "deals.yaml": ["duplicate_slug"],
        "deals.yml": ["duplicate_slug", "blank"],
    }


def test_a_copy_of_a_file_with_an_id_leaves_the_original_alone(project: Path, store: Store) -> None:
    created = store().create(SourceBody.parse(active_body()), "zebra")
    write(project, "alpaca.yaml", (project / "sources" / "zebra.yaml").read_text())
    loaded = store(LATER).load()
    assert loaded.sources == (created,)
    assert codes(loaded.bad_files) == {"alpaca.yaml": ["duplicate_id"]}


def test_a_hand_written_file_is_created_when_first_seen(project: Path, store: Store) -> None:
    path = write(project, "deals.yaml", active_body())
    before = path.read_bytes()
    (first,) = store().load().sources
    (second,) = store(LATER).load().sources
    assert first == second
    assert first.created_at == NOW
    assert first.id.version == 5
    assert path.read_bytes() == before


def test_nothing_but_the_new_file_changes_in_the_folder(project: Path, store: Store) -> None:
    write(project, "deals.yaml", active_body())
    before = stamps(project)
    store().load()
    created = store().create(SourceBody.parse(static_body()), hold=Hold(9, 1))
    store().load()
    store().deleted()
    new = project / "sources" / f"{created.slug}.yaml"
    assert {path: stamp for path, stamp in stamps(project).items() if path != new} == before
    assert new.exists()


def stamps(folder: Path) -> dict[Path, tuple[int, int, bytes]]:
    """Every file below a folder, with what shows that it was replaced or written."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_the_same_files_and_memory_give_the_same_sources_elsewhere(
    project: Path, store: Store, key_values: KeyValues, tmp_path_factory: pytest.TempPathFactory
) -> None:
    write(project, "deals.yaml", active_body())
    before = store().load().sources
    elsewhere = tmp_path_factory.mktemp("another machine") / "checkout"
    shutil.copytree(project, elsewhere)
    assert SourceStore(elsewhere, key_values, clock=lambda: LATER).load().sources == before


def test_what_version_0_1_has_left_is_taken_over_once(
    project: Path, store: Store, key_values: KeyValues
) -> None:
    write(project, "deals.yaml", active_body())
    held = id_of_slug("deals")
    old = {".first_seen.json": {"deals": "2026-03-01T00:00:00+02:00", "gone": "2026-02-01T00:00:00Z"},
           ".holds.json": {str(held): {"estimated_tokens": 9, "budget": 3, "until": None}}}  # fmt: skip
    for name, content in old.items():
        (project / name).write_text(json.dumps(content))
    before = stamps(project)
    (source,) = store().load().sources
    assert source.created_at == datetime(2026, 2, 28, 22, tzinfo=UTC)
    assert store().holds.read([held]) == {held: Hold(9, 3)}
    assert stamps(project) == before

    # From now on the memory counts: without the files, and whatever they say.
    store().holds.lift(held)
    assert store().holds.read([held]) == {}
    for name in old:
        (project / name).unlink()
    assert store(LATER).load().sources == (source,)
    with pytest.raises(InvalidBodyError, match="was the name of a source that was deleted"):
        store().create(SourceBody.parse(active_body()), "gone")


@pytest.mark.parametrize(
    "content", ["", "[]", '{"deals": 3}', '{"deals": "2026-01-01T00:00:00"}', '{"deals": "x"}']
)
def test_a_damaged_file_of_version_0_1_is_reported_and_left_alone(
    project: Path, store: Store, content: str
) -> None:
    write(project, "known.yaml", active_body())
    store().load()
    write(project, "deals.yaml", active_body())
    (project / ".first_seen.json").write_text(content)
    loaded = store(LATER).load()
    assert {source.slug: source.created_at for source in loaded.sources} == {"known": NOW, "deals": LATER}
    assert codes(loaded.bad_files) == {".first_seen.json": ["unreadable"]}
    assert (project / ".first_seen.json").read_text() == content
    with pytest.raises(OldFileError, match=r"\.first_seen\.json cannot be read"):
        store().create(SourceBody.parse(active_body()), "new")

    (project / ".first_seen.json").unlink()
    assert store(LATER).load().bad_files == ()


@pytest.mark.parametrize("content", ["", "[]", '{"x": {}}', '{"50f2de20-c9dc-5dbb-b41b-2cff29c164f0": 3}'])
def test_a_damaged_file_of_holds_is_an_error_where_it_might_tell(
    project: Path, store: Store, content: str
) -> None:
    known, other = id_of_slug("known"), id_of_slug("other")
    store().holds.place(known, Hold(9, 3))
    (project / ".holds.json").write_text(content)
    assert store().holds.read([known]) == {known: Hold(9, 3)}
    with pytest.raises(OldFileError, match=r"\.holds\.json cannot be read"):
        store().holds.read([known, other])


def test_a_hold_is_there_until_it_is_lifted(store: Store) -> None:
    held, other = id_of_slug("held"), id_of_slug("other")
    store().holds.place(held, Hold(None, 0, LATER))
    assert store().holds.read([held, other]) == {held: Hold(None, 0, LATER)}
    store().holds.lift(other)
    store().holds.lift(held)
    assert store().holds.read([held, other]) == {}


def test_a_missing_folder_is_a_problem_and_is_not_made(tmp_path: Path) -> None:
    loaded = SourceStore(tmp_path / "nowhere", InMemoryKeyValues()).load()
    assert loaded.sources == ()
    assert [problem.code for bad in loaded.bad_files for problem in bad.problems] == ["no_folder"]
    assert not (tmp_path / "nowhere").exists()


def test_a_created_source_loads_as_it_was_created(project: Path, store: Store) -> None:
    body = SourceBody.parse(
        active_body(
            name="Ünïted",
            expiration_date="2030-01-01",
            filters={"conditions": [{"variable": "status", "values": ["on", 1]}]},
            options={"history": True},
        )
    )
    created = store().create(body)
    assert created.slug == "united"
    assert store(LATER).load().sources == (created,)
    content = yaml.safe_load((project / "sources" / "united.yaml").read_text())
    assert SourceBody.parse({key: content[key] for key in content.keys() - {"id", "created_at"}}) == body
    assert "pull_existing" not in content
    assert [path.name for path in (project / "sources").iterdir()] == ["united.yaml"]


@pytest.mark.parametrize("name", ["a\x85b", "a\u2028b", "a\ufeffb", "12:30", "on", "0E0", "*x", "é: &a"])
def test_names_that_yaml_reads_as_something_else_are_written_so_that_they_stay(
    store: Store, name: str
) -> None:
    body = SourceBody.parse(active_body(name=name, properties=["title", name]))
    created = store().create(body, "odd")
    assert (created.name, created.properties) == (name, ("title", name))
    assert store().load().sources == (created,)


def test_slugs_are_unique_and_those_of_deleted_sources_stay_used(project: Path, store: Store) -> None:
    body = SourceBody.parse(active_body())
    slugs = [store().create(body).slug for _ in range(3)]
    assert slugs == ["open_deals", "open_deals_2", "open_deals_3"]
    (project / "sources" / "open_deals_2.yaml").unlink()
    assert store().create(body).slug == "open_deals_4"


def test_the_slug_of_a_file_that_was_put_aside_stays_used_without_a_memory(
    project: Path, store: Store
) -> None:
    body = SourceBody.parse(active_body())
    store().create(body, "deals")
    store().delete("deals")
    forgetful = SourceStore(project, InMemoryKeyValues())
    with pytest.raises(InvalidBodyError, match="was the name of a source that was deleted"):
        forgetful.create(body, "deals")


@pytest.mark.parametrize(
    ("slug", "code"),
    [
        ("gone", "slug_of_deleted"),
        ("here", "slug_taken"),
        ("No-Slug", "invalid_slug"),
        ("account", "reserved_slug"),
    ],
)
def test_a_slug_that_cannot_be_had_is_refused(project: Path, store: Store, slug: str, code: str) -> None:
    write(project, "gone.yaml", active_body())
    write(project, "here.yml", active_body())
    store().load()
    (project / "sources" / "gone.yaml").unlink()
    with pytest.raises(InvalidBodyError) as caught:
        store().create(SourceBody.parse(active_body()), slug)
    assert [(problem.field, problem.code) for problem in caught.value.problems] == [("slug", code)]


def test_a_source_that_returns_is_the_same_source(project: Path, store: Store) -> None:
    path = write(project, "deals.yaml", active_body())
    before = store().load().sources
    content = path.read_text()
    path.unlink()
    assert store().load().sources == ()
    path.write_text(content)
    assert store(LATER).load().sources == before


def test_find_tells_bad_and_unknown_sources_apart(project: Path, store: Store) -> None:
    write(project, "deals.yaml", active_body())
    write(project, "bad.yaml", "name: [")
    loaded = store().load()
    assert loaded.find("deals").name == "Open deals"
    with pytest.raises(InvalidBodyError, match="not YAML"):
        loaded.find("bad")
    with pytest.raises(UnknownSourceError, match="Did you mean `deals`"):
        loaded.find("deal")


def _create(project: Path) -> str:
    return SourceStore(project, InMemoryKeyValues()).create(SourceBody.parse(active_body())).slug


def test_processes_that_create_at_once_get_different_slugs(project: Path, store: Store) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        slugs = list(pool.map(_create, [project] * 12))
    assert len(set(slugs)) == 12
    assert len(store().load().sources) == 12


@given(st.text(min_size=1, max_size=90), st.integers(1, 12))
def test_slugs_of_one_name_stay_apart(name: str, count: int) -> None:
    used: set[str] = set()
    for _ in range(count):
        slug = derive_slug(name, "deals", used.__contains__)
        assert is_slug(slug)
        assert slug not in used
        used.add(slug)


def test_a_source_survives_its_snapshot(project: Path, store: Store) -> None:
    created = store().create(SourceBody.parse(active_body(expiration_date="2030-01-01")))
    assert Source.model_validate_json(created.model_dump_json()) == created
    assert (
        SourceBody.parse(created.body).model_dump()
        == SourceBody.parse(active_body(expiration_date="2030-01-01")).model_dump()
    )
