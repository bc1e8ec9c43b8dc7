"""Whatever JSON a property holds: the cell says it all, or the value is set aside; texts never change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.importing.definition import typed_column
from pipedrive_orchestration.importing.transform import Transform
from pipedrive_orchestration.pipedrive.catalogue import DEALS, LEADS
from pipedrive_orchestration.pipedrive.fields import Field
from pipedrive_orchestration.pipedrive.object_types import ObjectType, Paging
from pipedrive_orchestration.pipedrive.responses import open_page

SCALARS = ["varchar", "int", "double", "boolean", "date", "datetime", "uuid", "visible_to", "lead", "clock"]
STRUCTS = ["monetary", "amount", "daterange", "time", "timerange", "address", "json"]
KINDS = [*SCALARS, *STRUCTS, "enum", "user", "set", "ids", "uuids", "contacts"]

FIELDS = [Field(key=f"k_{kind}", label=kind, field_type=kind, is_custom=True) for kind in KINDS]

texts = st.text(st.characters(exclude_categories=["Cs"]))
plausible = st.sampled_from(
    ["", "1", "1,2", "2024-02-29", "2024-02-30", "09:00", "true", "infinity", "nan", "1.5", "0x10", "[", "{}"]
)
numbers = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
parts = st.sampled_from(
    ["value", "until", "currency", "amount", "timezone_id", "label", "primary", "id", "x"]
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts | plausible,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(parts, inner, max_size=4),
    max_leaves=6,
)


class Typer:
    """Types records that come as one page of a list, all fields custom."""

    def __init__(self, object_type: ObjectType, folder: Path) -> None:
        self._staged, self._typed = folder / "page.ndjson", folder / "typed.parquet"
        self._pages = Transform(object_type, [typed_column(field, object_type) for field in FIELDS], folder)
        self._connection = duckdb.connect()

    def rows(self, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """``_misfits`` and which cells are NULL, by record; and the text as it is."""
        page = open_page(json.dumps({"success": True, "data": found}).encode(), Paging.CURSOR)
        self._staged.write_bytes(page.lines())
        self._pages.write([self._staged], self._typed, longest=page.longest())
        keys = ", ".join(f'"{field.key}" IS NULL AS "{field.key}"' for field in FIELDS)
        cursor = self._connection.execute(
            f"SELECT {keys}, k_varchar AS text, _misfits FROM read_parquet('{self._typed}') ORDER BY _id"
        )
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def deals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typer]:
    with closing(Typer(DEALS, tmp_path_factory.mktemp("deals"))) as typer:
        yield typer


@pytest.fixture(scope="module")
def leads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typer]:
    with closing(Typer(LEADS, tmp_path_factory.mktemp("leads"))) as typer:
        yield typer


custom_values = st.lists(
    st.fixed_dictionaries({f"k_{kind}": values for kind in KINDS}), min_size=1, max_size=5
)
quick = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(custom_values)
@quick
def test_no_value_of_a_v2_record_is_lost(deals: Typer, found: list[dict[str, Any]]) -> None:
    page = [{"id": number, "custom_fields": custom} for number, custom in enumerate(found)]
    assert_nothing_is_lost(deals.rows(page), found)


@given(custom_values)
@quick
def test_no_value_of_a_v1_lead_is_lost(leads: Typer, found: list[dict[str, Any]]) -> None:
    page = [{"id": f"{number:032x}", **custom} for number, custom in enumerate(found)]
    assert_nothing_is_lost(leads.rows(page), found)


def assert_nothing_is_lost(landed: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    assert len(landed) == len(found)
    for row, custom in zip(landed, found, strict=True):
        set_aside = {misfit["property"] for misfit in row["_misfits"] or []}
        for key, value in custom.items():
            written = value is not None and value != ""
            assert row[key] or key not in set_aside, f"{key} is both a cell and a misfit"
            assert not written or not row[key] or key in set_aside, f"{key} lost {value!r}"
            assert written or key not in set_aside, f"{key} has nothing to set aside"


@given(st.lists(texts, min_size=1, max_size=20))
@quick
def test_texts_never_change(deals: Typer, found: list[str]) -> None:
    page = [{"id": number, "custom_fields": {"k_varchar": text}} for number, text in enumerate(found)]
    assert [row["text"] for row in deals.rows(page)] == found
