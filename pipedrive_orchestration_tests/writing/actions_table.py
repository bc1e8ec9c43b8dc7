"""The table of docs/writable.md, made of the table of writes; ``python -m`` this module writes it anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipedrive_orchestration.pipedrive.requests import (
    ARCHIVE_COST,
    CONVERSION_COST,
    CONVERTED,
    MERGE_COST,
    MERGED,
    PLANNED,
    WRITABLE,
    BodyForm,
    BulkForm,
    WritableType,
    WriteOperation,
    archive_path,
    conversion_path,
    merge_path,
)

PAGE = Path(__file__).parents[2] / "docs" / "writable.md"

BEGIN, END = "<!-- the table begins -->\n", "<!-- the table ends -->\n"
BULK_BEGIN, BULK_END = "<!-- the bulk table begins -->\n", "<!-- the bulk table ends -->\n"

_HEADER = "| collection | action | request | tokens | how | `undo` |\n| --- | --- | --- | --- | --- | --- |\n"
_FORMS = {
    BodyForm.FORM: ", as a form",
    BodyForm.UPLOAD: ", with the file",
    BodyForm.LIST: ", a list of one",
    BodyForm.NAMED: ", the body names it",
}

OLD_FIELDS = {f"{one}_fields": f"/v1/{one}Fields" for one in ("deal", "person", "organization", "product")}
"""Collections whose fields v1 can delete together."""

Row = tuple[str, str, str, str, str, str]


def rows() -> Iterator[Row]:
    """One row for each action of each collection."""
    for one in WRITABLE.values():
        for action, operation in (("create", one.create), ("update", one.update), ("delete", one.delete)):
            if operation is not None:
                yield (*_row(one, action, operation), _undo(one, action))
        yield from _others(one)
    yield ("webhooks", "create", "`POST /v1/webhooks`", "10", "`webhooks register`", "`webhooks remove`")
    yield ("webhooks", "delete", "`DELETE /v1/webhooks/{id}`", "6", "`webhooks remove`", "no")


def _row(one: WritableType, action: str, operation: WriteOperation) -> tuple[str, str, str, str, str]:
    path = one.path if action == "create" or operation.is_at_collection else f"{one.path}/{{{one.id_key}}}"
    how = f"`record {action} {one.name}`"
    if one.parents:
        how += " `--below ID`" if action == "create" else " `PARENT/ID`"
    if one.name in PLANNED:
        how += ", `write`"
    request = f"`{operation.method} {path}`{_FORMS.get(operation.form, '')}"
    return one.name, action, request, str(operation.cost), how


def _undo(one: WritableType, action: str) -> str:
    if action == "create":
        return "is deleted" if one.delete is not None else "no: Pipedrive deletes none"
    if action == "delete":
        return "is restored" if one.can_be_restored else "no: Pipedrive restores none"
    return "gets back what it had"


def _others(one: WritableType) -> Iterator[Row]:
    if one.name in MERGED:
        request = f"`PUT {merge_path(one, '{id}')}`"
        yield one.name, "merge", request, str(MERGE_COST), f"`record merge {one.name} ID --into ID`", "no"
    if one.can_be_archived:
        assert one.update is not None, "archiving is a change"
        request, cost = f"`{one.update.method} {one.path}/{{id}}`", str(one.update.cost)
        yield one.name, "archive", request, cost, f"`record archive {one.name} ID`", "is brought back"
        yield one.name, "restore", request, cost, f"`record restore {one.name} ID`", "is archived again"
    if one.name == "projects":
        request = f"`POST {archive_path('{id}')}`"
        yield one.name, "archive", request, str(ARCHIVE_COST), "`record archive projects ID`", "no"
    if one.name in CONVERTED:
        request = f"`POST {conversion_path(one, '{id}')}`"
        yield one.name, "convert", request, str(CONVERSION_COST), f"`record convert {one.name} ID`", "no"


_BULK_HEADER = (
    "| collection | action | request | tokens | most | sent by |\n| --- | --- | --- | --- | --- | --- |\n"
)


def bulk_rows() -> Iterator[Row]:
    """One row for each request that makes several changes."""
    for one in WRITABLE.values():
        for action, operation in (("create", one.create), ("update", one.update), ("delete", one.delete)):
            if operation is not None and operation.bulk is not None:
                bulk = operation.bulk
                ids = "?ids=" if bulk.form is BulkForm.IDS else ""
                least = max(2, -(-bulk.cost // operation.cost))
                of_one = f" of one {one.parents[0].partition('_')[0]}" if one.parents else ""
                how = f"`write`, of {least} or more{of_one}"
                request = f"`{bulk.method} {bulk.path}{ids}`"
                yield one.name, action, request, str(bulk.cost), str(bulk.most), how
    for name, path in OLD_FIELDS.items():
        why = f"nothing: {name} are known by their codes, and it takes the numbers of v1"
        yield name, "delete", f"`DELETE {path}?ids=`", "10", "", why


def bulk_table() -> str:
    """These rows as Markdown."""
    return _BULK_HEADER + "".join(f"| {' | '.join(row)} |\n" for row in bulk_rows())


def table() -> str:
    """The rows as Markdown."""
    return _HEADER + "".join(f"| {' | '.join(row)} |\n" for row in rows())


def main() -> None:
    """Write the table into the page."""
    text = PAGE.read_text()
    for begin, made, end in ((BEGIN, table(), END), (BULK_BEGIN, bulk_table(), BULK_END)):
        before, _, rest = text.partition(begin)
        text = before + begin + made + end + rest.partition(end)[2]
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
