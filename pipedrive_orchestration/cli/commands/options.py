"""``options``: the properties that an object type has in the account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from pipedrive_orchestration.cli.arguments import AsJson, ObjectTypeName
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.output import busy, err, out, print_json
from pipedrive_orchestration.importing import property_options

_OPTIONS_SHOWN = 5


def options(object_type: ObjectTypeName, *, json: AsJson = False) -> None:
    """List the properties that an object type has in your account.

    With --json the list is accepted as properties_metadata of a source, as it is.

    Try:

        pipedrive-orchestration options deals

        pipedrive-orchestration options persons --json | jq -r '.[] | select(.extras.is_custom) | .value'
    """
    with explained(err), busy(f"Reading the fields of {object_type}"):
        environment = Environment.read()
        found = property_options(
            object_type, connection=environment.connection, catalogue=environment.store.catalogue
        )
    if json:
        print_json(found)
        return
    table = Table("property", "label", "field type", "column", "options", caption_justify="left")
    for option in found:
        extras = option["extras"]
        label = Text(option["label"], style="bold" if extras["is_custom"] else "")
        names = [label, extras["field_type"], extras["column_type"], _choices(extras.get("options", []))]
        table.add_row(option["value"], *names)
    table.caption = f"{len(found)} properties; bold labels are custom fields"
    out.print(table)


def _choices(choices: Sequence[Mapping[str, Any]]) -> str:
    shown = [str(choice["label"]) for choice in choices[:_OPTIONS_SHOWN]]
    more = len(choices) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
