"""The table of docs/collections.md, made of the catalogue; ``python -m`` this module writes it anew."""

from __future__ import annotations

from pathlib import Path

from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.pipedrive.object_types import Bounds, ObjectType

PAGE = Path(__file__).parents[2] / "docs" / "collections.md"

BEGIN, END = "<!-- the table begins -->\n", "<!-- the table ends -->\n"

_HEADER = (
    "| object type | path | tokens | read | deletions | scope |\n| --- | --- | --- | --- | --- | --- |\n"
)


def table() -> str:
    """One row for each object type, in the order of the catalogue."""
    return _HEADER + "".join(f"| {' | '.join(_row(one))} |\n" for one in BUILT_IN.values())


def _row(one: ObjectType) -> tuple[str, ...]:
    path = f"`{one.path}`" + (f", `{one.archived_path}`" if one.archived_path else "")
    price = f"{one.list_cost}" + (f", archived {one.archived_cost}" if one.archived_path else "")
    if one.page_size < 500:
        price += f" per {one.page_size}"
    if len(one.questions) > 1:
        price += f", {len(one.questions)} times"
    if one.parents is not None:
        price += f" for each of `{one.parents.path}`"
    scope = " or ".join(f"`{scope}`" for scope in one.scopes)
    return (
        f"`{one.name}`",
        path,
        price,
        _kind(one),
        _deletions(one),
        scope + (f"; {one.requires}" if one.requires else ""),
    )


def _kind(one: ObjectType) -> str:
    if one.parent is not None:
        batch = f", {one.parent.batch} a request" if one.parent.batch > 1 else ""
        return f"[per record](children.md) of `{one.parent.type.name}`{batch}"
    return "windows" if one.bounds is not Bounds.NONE else "in full"


def _deletions(one: ObjectType) -> str:
    if one.parent is not None:
        return "none, it is a history" if one.parent.is_history else "what does not come with its parent"
    if not one.partitioned:
        return "what does not come"
    if one.with_deleted:
        return "`status=deleted`, 30 days"
    return "the recents feed, 30 days" if one.recents_item else "when windows are read again"


def main() -> None:
    """Write the table into the page."""
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(before + BEGIN + table() + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
