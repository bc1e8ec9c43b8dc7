"""Object types by files: what is wrong with one is said whole, and takes no other with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipedrive_orchestration.orchestration.project_definitions import ProjectSnapshot
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.services.project_check import check_paths
from pipedrive_orchestration.sources import InMemoryKeyValues, SourceStore
from pipedrive_orchestration.workflows import LoadedWorkflows

GOOD = "path: /v1/meetingTypes\ntokens: 20\nproperties: {id: int, name: varchar}\n"
PARENT = "parent: {{object_type: {}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("sources", "object_types"):
        (tmp_path / folder).mkdir()
    return tmp_path


def write(project: Path, name: str, text: str) -> None:
    (project / "object_types" / f"{name}.yaml").write_text(text)


def found(project: Path) -> list[str]:
    """Problems as lines: file, place, sentence."""
    return [str(finding).rpartition("object_types/")[2] for finding in check_paths([project]).findings]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "path: /v1/x\n",
            ["1:1: tokens: This field is required.", "1:1: properties: This field is required."],
        ),
        (GOOD.replace("/v1/", "https://a.b/v1/"), ["1:7: path: `https://a.b/v1/meetingTypes` is not a path"]),
        (
            GOOD.replace("varchar", "varchr"),
            ["3:29: properties.name: `varchr` is not a type of a property. Did"],
        ),
        (GOOD + "pagin: none\n", ["4:1: pagin: Unknown field. Did you mean `paging`"]),
        (GOOD.replace("20", "0"), ["2:9: tokens: Input should be greater than or equal to 1"]),
        (GOOD + "id: uuid\n", ["4:5: id: `uuid` is not among the properties."]),
        (GOOD + "id: [id, name]\n", ["4:5: id: Only children can be known by several properties."]),
        (
            GOOD + "bounds: both\n",
            [
                "1:1: update_time: `update_time` is not among",
                "4:9: bounds: Only v2 lists by cursor have an upp",
            ],
        ),
        (GOOD + "custom_fields: nested\n", ["4:16: custom_fields: Custom fields need the list of `fields`."]),
        (GOOD + "records: goals\n", ["1:1: paging: Records that are not the list itself come in one answer"]),
        (GOOD + PARENT.format("deals}"), ["4:9: parent: Name the parent in the path, as {parent}, or by"]),
        (GOOD + PARENT.format("dels, parameter: x}"), ["4:23: parent.object_type: `dels` is not an object"]),
        (GOOD + PARENT.format("deals, parameter: x, batch: 9}"), ["4:51: parent.batch: Of several parents"]),
        (GOOD.replace("Types", "Types/{parent}"), ["1:7: path: {parent} needs a `parent`."]),
        ("- a list\n", ["1:1: An object type is a mapping of fields to values"]),
    ],
)
def test_a_bad_file_is_told_with_line_field_and_fix_and_takes_no_other_with_it(
    project: Path, text: str, said: list[str]
) -> None:
    write(project, "good", GOOD)
    write(project, "bad", text)
    for line, part in zip(found(project), said, strict=True):
        assert line.startswith(f"bad.yaml:{part}")
    loaded = SourceStore(project, InMemoryKeyValues()).load()
    assert [one.name for one in loaded.object_types] == ["good"]
    assert len(loaded.bad_files) == 1


def test_a_file_cannot_have_the_name_of_a_built_in_object_type(project: Path) -> None:
    write(project, "deals", GOOD)
    (line,) = found(project)
    assert "`deals` stands for something else and cannot name a collection; rename the file." in line
    assert SourceStore(project, InMemoryKeyValues()).catalogue["deals"] is BUILT_IN["deals"]


def test_children_can_have_parents_whose_object_type_is_a_file_too(project: Path) -> None:
    child = "path: /v1/a/{parent}/b\ntokens: 20\nproperties: {id: int}\nparent: {object_type: PARENT}\n"
    write(project, "a_child", child.replace("PARENT", "meeting_types"))
    write(project, "grandchild", child.replace("PARENT", "a_child"))
    write(project, "meeting_types", GOOD)
    write(project, "chicken", child.replace("PARENT", "egg"))
    write(project, "egg", child.replace("PARENT", "chicken"))
    loaded = SourceStore(project, InMemoryKeyValues()).load()
    catalogue = loaded.catalogue
    child_type = catalogue["a_child"]
    assert child_type.parent is not None
    assert child_type.parent.type is catalogue["meeting_types"]
    assert {Path(bad.path).stem for bad in loaded.bad_files} == {"chicken", "egg"}


def test_a_source_of_an_object_type_that_is_left_out_is_left_out_and_says_so(project: Path) -> None:
    source = "name: x\nobject_type: {}\nproperties: [name]\npull_mode: static\n"
    (project / "sources" / "fine.yaml").write_text(source.format("meeting_types"))
    (project / "sources" / "lost.yaml").write_text(source.format("bad"))
    write(project, "meeting_types", GOOD)
    write(project, "bad", GOOD.replace("tokens: 20\n", ""))
    loaded = SourceStore(project, InMemoryKeyValues()).load()
    assert [one.slug for one in loaded.sources] == ["fine"]
    assert {Path(bad.path).stem: bad.problems[0].code for bad in loaded.bad_files} == {
        "bad": "missing",
        "lost": "unknown_object_type",
    }


def test_a_snapshot_of_a_project_knows_the_object_types_it_was_taken_with(project: Path) -> None:
    write(project, "meeting_types", GOOD)
    source = "name: x\nobject_type: meeting_types\nproperties: [name]\npull_mode: static\n"
    (project / "sources" / "meetings.yaml").write_text(source)
    loaded = SourceStore(project, InMemoryKeyValues()).load()
    content = ProjectSnapshot(loaded, LoadedWorkflows()).content()
    (project / "object_types" / "meeting_types.yaml").unlink()
    read = ProjectSnapshot.parse(content)
    assert read.sources == loaded
    assert read.sources.find("meetings").type.path == "/v1/meetingTypes"
    assert read.content() == content
