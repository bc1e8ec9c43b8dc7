from __future__ import annotations

import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from pipedrive_orchestration.sources import InvalidBodyError
from pipedrive_orchestration.sources.yaml_document import Document
from pipedrive_orchestration.workflows import (
    LoadedWorkflows,
    RowsToRun,
    Sync,
    UnknownWorkflowError,
    WorkflowStore,
)
from pipedrive_orchestration.workflows.model import WorkflowFile
from pipedrive_orchestration.workflows.store import with_sync
from pipedrive_orchestration_tests.workflows.bodies import body, sync

WRITTEN = """\
# Who gets a letter.
name: Outreach   # shown to people
inputs:
  - {name: email, type: email}
  - {name: First name, type: string}

# What feeds it.
syncs:
  - source: people
    field_mapping: {input.email: emails}   # the primary one
  # From the fair.
  - source: visitors
    field_mapping:
      "{{ input.email }}": emails
"""


@pytest.fixture
def store(tmp_path: Path) -> WorkflowStore:
    (tmp_path / "workflows").mkdir()
    return WorkflowStore(tmp_path)


def write(store: WorkflowStore, name: str, content: Any) -> Path:
    path = store.folder / name
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_a_project_need_not_have_workflows(tmp_path: Path) -> None:
    assert WorkflowStore(tmp_path).load() == LoadedWorkflows()


def test_good_files_load_beside_bad_ones(store: WorkflowStore) -> None:
    id_ = str(uuid4())
    write(store, "good.yaml", body(id=id_))
    write(store, "other.yml", body())
    write(store, "copy_of_good.yaml", body(id=id_))
    write(store, "broken.yaml", "name: [")
    write(store, "Upper.yaml", body(name=""))
    write(store, "twice.yaml", body())
    write(store, "twice.yml", body())
    write(store, "unread.yaml", "").write_bytes("name: Zoë".encode("latin-1"))
    write(store, ".hidden.yaml", "")
    write(store, "notes.txt", "")
    (store.folder / "folder.yaml").mkdir()
    loaded = store.load()
    assert [workflow.slug for workflow in loaded.workflows] == ["copy_of_good", "other"]
    assert {Path(bad.path).name: [problem.code for problem in bad.problems] for bad in loaded.bad_files} == {
        "Upper.yaml": ["invalid_slug", "blank"],
        "broken.yaml": ["invalid_yaml"],
        "folder.yaml": ["unreadable"],
        "good.yaml": ["duplicate_id"],
        "twice.yaml": ["duplicate_slug"],
        "twice.yml": ["duplicate_slug"],
        "unread.yaml": ["invalid_encoding"],
    }


def test_a_workflow_is_found_by_slug_and_by_id(store: WorkflowStore) -> None:
    write(store, "outreach.yaml", body())
    write(store, "broken.yaml", body(name=""))
    loaded = store.load()
    found = loaded.find("outreach")
    assert loaded.with_id(found.id) is found
    with pytest.raises(UnknownWorkflowError, match="Did you mean `outreach`"):
        loaded.find("outreech")
    with pytest.raises(InvalidBodyError, match="name: Must not be blank"):
        loaded.find("broken")
    with pytest.raises(UnknownWorkflowError):
        loaded.with_id(uuid4())


def test_what_was_loaded_survives_a_snapshot(store: WorkflowStore) -> None:
    actions = [
        {"type": "sql", "name": "a", "expression": "1", "output": {"name": "one"}},
        {"type": "http", "name": "b", "url": "https://host", "outputs": [{"name": "two", "type": "number"}]},
    ]
    write(store, "outreach.yaml", body(actions=actions))
    write(store, "broken.yaml", body(name=""))
    snapshot = TypeAdapter(LoadedWorkflows)
    assert snapshot.validate_json(snapshot.dump_json(store.load())) == store.load()


def test_a_sync_is_added_and_replaced_and_comments_stay(store: WorkflowStore) -> None:
    path = write(store, "outreach.yaml", WRITTEN)
    added = Sync(source="deals", field_mapping={"input.email": "title"}, run=RowsToRun.FIRST_10)
    assert store.save_sync("outreach", added).sync_of("deals") == added
    replaced = Sync(source="people", field_mapping={"input.first_name": "name"}, push_existing=False)
    saved = store.save_sync("outreach", replaced)
    assert saved == store.load().find("outreach")
    assert [one.source for one in saved.syncs] == ["people", "visitors", "deals"]
    assert saved.sync_of("people") == replaced
    text = path.read_text()
    assert all(comment in text for comment in re.findall("# .*", WRITTEN))
    assert '"{{ input.email }}": emails' in text


def test_the_same_sync_again_leaves_the_file_alone(store: WorkflowStore) -> None:
    path = write(store, "outreach.yaml", WRITTEN)
    before = path.stat()
    same = Sync.model_validate(sync("visitors", field_mapping={"input.email": "emails"}))
    assert store.save_sync("outreach", same).sync_of("visitors") == same
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert path.read_text() == WRITTEN


def test_a_file_without_syncs_gets_its_first(store: WorkflowStore) -> None:
    for content in (
        body(syncs=[]),
        {**body(), "syncs": None},
        {k: v for k, v in body().items() if k != "syncs"},
    ):
        write(store, "outreach.yaml", content)
        assert len(store.save_sync("outreach", Sync.model_validate(sync())).syncs) == 1


def test_only_a_workflow_that_is_there_and_right_gets_a_sync(store: WorkflowStore) -> None:
    write(store, "broken.yaml", "name: [")
    with pytest.raises(UnknownWorkflowError):
        store.save_sync("nothing", Sync.model_validate(sync()))
    with pytest.raises(InvalidBodyError):
        store.save_sync("broken", Sync.model_validate(sync()))
    assert (store.folder / "broken.yaml").read_text() == "name: ["


SLUGS = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True) | st.sampled_from(["on", "no", "y", "null"])
PROPERTIES = st.text(min_size=1, max_size=20).map(str.strip).filter(lambda x: x and "\0" not in x) | (
    st.sampled_from(["1e5", "0x1F", "12:30:00", "~", "true", "2026-01-01", "{{x}}", "- a", "a: b", "#", "'"])
)


@settings(max_examples=60, deadline=None)
@given(SLUGS, PROPERTIES)
def test_any_slug_and_property_reads_back_as_written(slug: str, key: str) -> None:
    wanted = Sync(source=slug, field_mapping={"input.email": key})
    try:
        text = with_sync(WRITTEN, wanted)
        read = WorkflowFile.parse(Document.parse(text).content)
    except (InvalidBodyError, yaml.YAMLError):
        # What no YAML can hold, such as a control character, is refused before the file is written.
        assert not key.isprintable()
        return
    assert read.syncs[-1] == wanted


def _save(project: str, number: int) -> None:
    WorkflowStore(project).save_sync(
        "outreach", Sync(source=f"source_{number}", field_mapping={"input.email": "x"})
    )


def test_processes_that_save_at_once_lose_nothing(store: WorkflowStore) -> None:
    write(store, "outreach.yaml", body(syncs=[]))
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        list(pool.map(_save, [str(store.folder.parent)] * 12, range(12)))
    saved = store.load().find("outreach")
    assert {one.source for one in saved.syncs} == {f"source_{number}" for number in range(12)}
