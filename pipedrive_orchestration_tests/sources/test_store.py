from __future__ import annotations

import json
import re
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
    InvalidBodyError,
    Source,
    SourceBody,
    SourceStore,
    UnknownSourceError,
)
from pipedrive_orchestration.sources.model import derive_slug, is_slug
from pipedrive_orchestration_tests.sources.bodies import active_body, static_body

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
LATER = datetime(2026, 12, 1, tzinfo=UTC)


def store(project: Path, now: datetime = NOW) -> SourceStore:
    return SourceStore(project, clock=lambda: now)


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


def test_good_files_load_beside_bad_ones(project: Path) -> None:
    write(project, "deals.yaml", active_body())
    write(project, "leads.yml", static_body(object_type="leads"))
    write(project, "broken.yaml", "name: [")
    write(project, "list.yaml", "- a")
    write(project, "Upper.yaml", active_body())
    write(project, "invalid.yaml", active_body(name="", object_type="x"))
    write(project, "empty.yaml", "")
    (project / "sources" / "folder.yaml").mkdir()
    (project / "sources" / "latin1.yaml").write_bytes("name: Zoë".encode("latin-1"))
    write(project, "notes.txt", "not looked at")
    write(project, ".hidden.yaml", "not looked at")
    loaded = store(project).load()
    assert [source.slug for source in loaded.sources] == ["deals", "leads"]
    assert codes(loaded.bad_files) == {
        "Upper.yaml": ["invalid_slug"],
        "broken.yaml": ["invalid_yaml"],
        "empty.yaml": ["not_a_mapping"],
        "folder.yaml": ["unreadable"],
        "invalid.yaml": ["blank", "unknown_object_type"],
        "latin1.yaml": ["invalid_yaml"],
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
def test_what_is_not_yaml_is_told_with_line_and_column(project: Path, text: str, where: str) -> None:
    write(project, "x.yaml", text)
    (bad,) = store(project).load().bad_files
    assert re.search(where, str(bad))
    assert "x.yaml" in str(bad)


def test_an_unquoted_impossible_date_is_a_problem_of_its_field(project: Path) -> None:
    write(project, "x.yaml", yaml.safe_dump(active_body()) + "expiration_date: 2027-02-30\n")
    (bad,) = store(project).load().bad_files
    assert [problem.field for problem in bad.problems] == ["expiration_date"]


def test_two_files_with_one_slug_are_both_left_out(project: Path) -> None:
    write(project, "deals.yaml", active_body())
    write(project, "deals.yml", active_body(name=" "))
    write(project, "other.yaml", active_body())
    loaded = store(project).load()
    assert [source.slug for source in loaded.sources] == ["other"]
    assert codes(loaded.bad_files) == {
        "deals.yaml": ["duplicate_slug"],
        "deals.yml": ["duplicate_slug", "blank"],
    }


def test_a_copy_of_a_file_with_an_id_leaves_the_original_alone(project: Path) -> None:
    created = store(project).create(SourceBody.parse(active_body()), "zebra")
    write(project, "alpaca.yaml", (project / "sources" / "zebra.yaml").read_text())
    loaded = store(project, LATER).load()
    assert loaded.sources == (created,)
    assert codes(loaded.bad_files) == {"alpaca.yaml": ["duplicate_id"]}


def test_a_hand_written_file_is_created_when_first_seen(project: Path) -> None:
    path = write(project, "deals.yaml", active_body())
    before = path.read_bytes()
    (first,) = store(project).load().sources
    (second,) = store(project, LATER).load().sources
    assert first == second
    assert first.created_at == NOW
    assert first.id.version == 5
    assert path.read_bytes() == before


def test_the_instant_holds_in_the_process_where_it_cannot_be_recorded(project: Path) -> None:
    write(project, "deals.yaml", active_body())
    (project / ".first_seen.json.lock").mkdir()
    instants = iter([NOW, LATER])
    same_process = SourceStore(project, clock=lambda: next(instants))
    assert [same_process.load().sources[0].created_at for _ in range(2)] == [NOW, NOW]
    assert not (project / ".first_seen.json").exists()


@pytest.mark.parametrize(
    "content", ["", "[]", '{"deals": 3}', '{"deals": "2026-01-01T00:00:00"}', '{"deals": "x"}']
)
def test_a_damaged_record_is_reported_and_left_alone(project: Path, content: str) -> None:
    write(project, "deals.yaml", active_body())
    (project / ".first_seen.json").write_text(content)
    loaded = store(project).load()
    assert [source.created_at for source in loaded.sources] == [NOW]
    assert codes(loaded.bad_files) == {".first_seen.json": ["unreadable"]}
    assert (project / ".first_seen.json").read_text() == content


def test_a_missing_folder_is_a_problem_and_is_not_made(tmp_path: Path) -> None:
    loaded = store(tmp_path / "nowhere").load()
    assert loaded.sources == ()
    assert [problem.code for bad in loaded.bad_files for problem in bad.problems] == ["no_folder"]
    assert not (tmp_path / "nowhere").exists()


def test_a_created_source_loads_as_it_was_created(project: Path) -> None:
    body = SourceBody.parse(
        active_body(
            name="Ünïted",
            expiration_date="2030-01-01",
            filters={"conditions": [{"variable": "status", "values": ["on", 1]}]},
            options={"history": True},
        )
    )
    created = store(project).create(body)
    assert created.slug == "united"
    assert store(project, LATER).load().sources == (created,)
    content = yaml.safe_load((project / "sources" / "united.yaml").read_text())
    assert SourceBody.parse({key: content[key] for key in content.keys() - {"id", "created_at"}}) == body
    assert "pull_existing" not in content
    assert [path.name for path in (project / "sources").iterdir()] == ["united.yaml"]


def test_slugs_are_unique_and_those_of_deleted_sources_stay_used(project: Path) -> None:
    body = SourceBody.parse(active_body())
    slugs = [store(project).create(body).slug for _ in range(3)]
    assert slugs == ["open_deals", "open_deals_2", "open_deals_3"]
    (project / "sources" / "open_deals_2.yaml").unlink()
    assert store(project).create(body).slug == "open_deals_4"


@pytest.mark.parametrize(
    ("slug", "code"), [("gone", "slug_of_deleted"), ("here", "slug_taken"), ("No-Slug", "invalid_slug")]
)
def test_a_slug_that_cannot_be_had_is_refused(project: Path, slug: str, code: str) -> None:
    write(project, "gone.yaml", active_body())
    write(project, "here.yml", active_body())
    store(project).load()
    (project / "sources" / "gone.yaml").unlink()
    with pytest.raises(InvalidBodyError) as caught:
        store(project).create(SourceBody.parse(active_body()), slug)
    assert [(problem.field, problem.code) for problem in caught.value.problems] == [("slug", code)]


def test_a_source_that_returns_is_the_same_source(project: Path) -> None:
    path = write(project, "deals.yaml", active_body())
    before = store(project).load().sources
    content = path.read_text()
    path.unlink()
    assert store(project).load().sources == ()
    path.write_text(content)
    assert store(project, LATER).load().sources == before


def test_find_tells_bad_and_unknown_sources_apart(project: Path) -> None:
    write(project, "deals.yaml", active_body())
    write(project, "bad.yaml", "name: [")
    loaded = store(project).load()
    assert loaded.find("deals").name == "Open deals"
    with pytest.raises(InvalidBodyError, match="not YAML"):
        loaded.find("bad")
    with pytest.raises(UnknownSourceError, match="Did you mean `deals`"):
        loaded.find("deal")


def _create(project: Path) -> str:
    return SourceStore(project).create(SourceBody.parse(active_body())).slug


def _load(project: Path) -> list[datetime]:
    return [
        source.created_at for source in SourceStore(project, clock=lambda: datetime.now(UTC)).load().sources
    ]


def test_processes_that_create_at_once_get_different_slugs(project: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        slugs = list(pool.map(_create, [project] * 12))
    assert len(set(slugs)) == 12
    assert len(store(project).load().sources) == 12
    assert json.loads((project / ".first_seen.json").read_text()).keys() == set(slugs)


def test_processes_that_see_a_file_at_once_agree_on_its_creation(project: Path) -> None:
    for number in range(20):
        write(project, f"s{number}.yaml", active_body())
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        seen = list(pool.map(_load, [project] * 6))
    assert all(instants == seen[0] for instants in seen)


@given(st.text(min_size=1, max_size=90), st.integers(1, 12))
def test_slugs_of_one_name_stay_apart(name: str, count: int) -> None:
    used: set[str] = set()
    for _ in range(count):
        slug = derive_slug(name, "deals", used.__contains__)
        assert is_slug(slug)
        assert slug not in used
        used.add(slug)


def test_a_source_survives_its_snapshot(project: Path) -> None:
    created = store(project).create(SourceBody.parse(active_body(expiration_date="2030-01-01")))
    assert Source.model_validate_json(created.model_dump_json()) == created
    assert (
        SourceBody.parse(created.body).model_dump()
        == SourceBody.parse(active_body(expiration_date="2030-01-01")).model_dump()
    )
