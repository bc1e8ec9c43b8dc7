from __future__ import annotations

import os
import re
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from pipedrive_orchestration.sources import InvalidBodyError, Problem, SourceBody, read_file
from pipedrive_orchestration.sources.yaml_document import MAX_BYTES, Document

NESTED = """\
# A comment, so that nothing stands in the first line.
name: ''
object_type: dealz
properties: [title, '', value]
properties_metadata:
  - name: title
  - value: value
    label: Amount
    extra: {}
filters:
  operator: AND
  conditions:
    - operator: OR
      conditions:
        - {variable: status, values: [open]}
        - {variable: ' ', values: [won]}
        - variabel: stage_id
          values:
            - [1]
    - condition: equals
      value: 5
pull_mode:
schedule: "* * *"
options: {partition: daily, owners: [a@example.com, me]}
"""


def read(text: str) -> Any:
    return Document.parse(text).content


def refusals(text: str) -> list[tuple[str, str]]:
    """Position and message of everything for which a text is refused."""
    with pytest.raises(InvalidBodyError) as caught:
        Document.parse(text)
    return [(str(problem.position), problem.message) for problem in caught.value.problems]


def test_every_problem_has_the_position_of_its_key_or_value(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(NESTED)
    with pytest.raises(InvalidBodyError) as caught:
        read_file(path, SourceBody.parse)
    found = {
        problem.field: (problem.position.line, problem.position.column)
        for problem in caught.value.problems
        if problem.position
    }
    assert found == {
        "name": (2, 7),
        "object_type": (3, 14),
        "properties[1]": (4, 21),
        "properties_metadata[0].label": (6, 5),
        "properties_metadata[1].extra": (9, 5),
        "filters.conditions[0].conditions[1].variable": (16, 22),
        "filters.conditions[0].conditions[2].variable": (17, 11),
        "filters.conditions[0].conditions[2].variabel": (17, 11),
        "filters.conditions[0].conditions[2].values[0]": (19, 15),
        "filters.conditions[1].variable": (20, 7),
        "pull_mode": (22, 1),
        "schedule": (23, 11),
        "options.partition": (24, 11),
        "options.owners[1]": (24, 53),
    }
    assert [problem.position for problem in caught.value.problems] == sorted(
        problem.position for problem in caught.value.problems if problem.position
    )
    assert "line 3, column 14: object_type: `dealz` is not an object type" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("extras: &a [*a, *a]", "line 1, column 9", "`&a` is YAML's way of writing once"),
        ("a: 1\nb: *a", "line 2, column 4", "quote a text that begins with *"),
        ("extras: &x {a: 1}", "line 1, column 9", "`&x`"),
        ("<<: {name: a}", "line 1, column 1", "`<<` would bring in"),
        ("a: 1\nb: {<<: {c: 1}}", "line 2, column 5", "write the keys out"),
        ("name: !!python/object:os.system x", "line 1, column 7", "is a tag"),
        ("name: !!binary aGVsbG8=", "line 1, column 7", "is a tag"),
        ("name: ! x", "line 1, column 7", "is a tag"),
        ("a: 1\n---\nb: 1", "line 2, column 1", "A second document begins here"),
        ("name: a\n\nname: b", "line 3, column 1", "`name` stands twice"),
        ("a: {b: 1, 'b': 2}", "line 1, column 11", "`b` stands twice"),
        ("a: 1\n? [x]\n: 2", "line 2, column 3", "A key is a text"),
        ("a: 1\n\tb: 2", "line 2, column 1", "Indent with blanks"),
        ("a:\n\t- b", "line 2, column 1", "Indent with blanks"),
        ("name: a\nschedule: */5 * * * *\n", "line 2, column 12", "begins with * must be quoted"),
        ("name: a\nschedule: @daily\n", "line 2, column 11", "begins with @ must be quoted"),
        ("name: &", "line 1, column 8", "begins with & must be quoted"),
        ("name: a: b", "line 1, column 8", "Quote a text that holds a colon"),
        ("name: x\n\n  object_type: deals\n", "line 3, column 14", "how the lines are indented"),
        ("name: [", "line 1, column 8", "This is not YAML"),
        ("a: 1\nb: x\0y", "line 2, column 5", "U+0000"),
        ("a: 1\nb: \x1b[31m", "line 2, column 4", "U+001B"),
        ("a: 1\nb: x\ud83d", "line 2, column 5", "U+D83D"),
        (f"a: 1\nb: {'9' * 5000}", "line 2, column 4", "at most 38 digits"),
        ("b: " + "[" * 200_000, "line 1, column 103", "Nested more than 100 levels deep"),
        ("{a: " * 200_000, "line 1, column 401", "Nested more than 100 levels deep"),
        ("[" + "1," * 300_000, "line 1, column 199998", "more than 100,000 keys and values"),
    ],
)
def test_what_is_refused_is_told_with_its_position(text: str, position: str, message: str) -> None:
    found = refusals(text)[0]
    assert found[0] == position
    assert message in found[1]


def test_every_repetition_is_told_at_once() -> None:
    found = refusals("a: &x 1\nb: *x\nc: !t 2\nd: *x")
    assert [position for position, _ in found] == [
        "line 1, column 4", "line 2, column 4", "line 3, column 4", "line 4, column 4"
    ]  # fmt: skip
    assert len(refusals("a: 1\n" * 1000)) == 20


@pytest.mark.parametrize(
    ("content", "position", "message"),
    [
        ("name: Zoë".encode("latin-1"), "line 1, column 9", "save the file as UTF-8"),
        ("# Grüße\nname: Zoë".encode("cp1252"), "line 1, column 5", "save the file as UTF-8"),
        ("name: Zoë".encode("utf-16"), "line 1, column 1", "saved as UTF-16"),
        ("name: Zoe".encode("utf-16-le"), "line 1, column 2", "U+0000"),
        (b"x" * (MAX_BYTES + 1), "None", "Must not be larger"),
    ],
)
def test_bytes_that_are_no_text_are_told(tmp_path: Path, content: bytes, position: str, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(InvalidBodyError) as caught:
        Document.read(path)
    (problem,) = caught.value.problems
    assert str(problem.position) == position
    assert message in problem.message


def test_what_has_no_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    for name in ("pipe.yaml", "zero.yaml", "nowhere.yaml"):
        with pytest.raises(InvalidBodyError, match="Cannot be read"):
            Document.read(tmp_path / name)


def test_the_mark_of_an_editor_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: a\r\nname2: b\r\n")
    assert Document.read(path).content == {"name": "a", "name2": "b"}


def test_texts_that_only_yaml_reads_as_something_else_stay_texts() -> None:
    written = ["2026-01-31", "2026-01-31T10:00:00Z", "12:30", "1:30.5", "010", "0x1F", "1_000", "="]
    assert read("\n".join(f"- {text}" for text in written)) == written
    assert read("on: 1\n2: 2\n~: 3") == {"on": 1, "2": 2, "~": 3}


def test_plain_values_are_what_they_look_like() -> None:
    assert read("[1, -2, +3, 1.5, .5, 1.0e+20, 1e3, true, no, null, ~, '1', \"x\"]") == [
        1, -2, 3, 1.5, 0.5, 1e20, "1e3", True, False, None, None, "1", "x",
    ]  # fmt: skip
    assert read("a: |\n  x\n  y\nb: >\n  x\n  y\n") == {"a": "x\ny\n", "b": "x y\n"}


def test_a_text_of_repetitions_takes_no_more_than_it_holds() -> None:
    bomb = "\n".join(
        ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    )
    tracemalloc.start()
    try:
        refusals(bomb)
        refusals("a: &x {a: *x}")
        refusals("[" + "[]," * 300_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50_000_000


YAML = st.lists(
    st.sampled_from(
        ["a", "b:", " c: ", "- ", "\n", "  ", "\t", "{", "}", "[", "]", ",", "&x ", "*x", "<<: ", "!t ", "? ",
         "| ", "> ", "'", '"', "#", "---\n", "...\n", "%YAML 1.1\n", "1" * 50, "0x", "~", "\ufeff", "é",
         "\x85", "\\u0000", "\u2028", "\0", "\ud800"]
    ),
    max_size=40,
).map("".join)  # fmt: skip


def problems_of(text: str) -> tuple[Problem, ...]:
    try:
        Document.parse(text)
    except InvalidBodyError as error:
        return error.problems
    return ()


@given(YAML | st.text(max_size=200))
@example("\ufeff\ufeffa: 1")
@example("? \n: {: }")
def test_any_text_is_content_or_has_problems_with_positions(text: str) -> None:
    lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", text)
    for problem in problems_of(text):
        assert problem.message
        assert problem.position is not None
        line = lines[problem.position.line - 1]
        assert 1 <= problem.position.column <= len(line) + 1


@given(st.binary(max_size=200))
def test_any_bytes_are_content_or_have_problems(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    with suppress(InvalidBodyError):
        Document.read(path)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**37), 10**37)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_what_is_written_for_a_file_reads_back(content: Any) -> None:
    assert read(yaml.safe_dump(content, sort_keys=False)) == content
