"""``warehouse``: what a lake consists of, its maintenance, and the move of a warehouse to another place."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipedrive_orchestration.cli.arguments import AsJson
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.output import busy, err, print_json, say
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.warehouse.maintenance import extent_of, maintain
from pipedrive_orchestration.warehouse.move import move


class Action(StrEnum):
    """What is done with a warehouse."""

    SHOW = "show"
    MAINTAIN = "maintain"
    MOVE = "move"


def warehouse(
    action: Annotated[Action, typer.Argument(help="What to do.", show_default=False)],
    places: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FROM TO]",
            help="With `move`: two warehouses, written as PIPEDRIVE_WAREHOUSE is.",
            show_default=False,
        ),
    ] = None,
    *,
    keep_days: Annotated[
        float | None,
        typer.Option(
            help="With `maintain`: days for which the past stays readable; PIPEDRIVE_KEEP_SNAPSHOTS_DAYS if "
            "not given.",
            min=0,
        ),
    ] = None,
    from_data: Annotated[
        str | None,
        typer.Option(help="With `move`: where the files of the first lie; PIPEDRIVE_WAREHOUSE_DATA says so "
                     "of the one that is in use.", metavar="PLACE"),
    ] = None,
    to_data: Annotated[
        str | None, typer.Option(help="With `move`: where those of the second are to lie.", metavar="PLACE")
    ] = None,
    json: AsJson = False,
) -> None:  # fmt: skip
    """Show what a lake consists of, merge its files, or move a warehouse to another place.

    `maintain` merges small files, forgets the past of a lake and removes what nothing needs any more, while
    imports go on; a project on a lake does it every night by itself. `move` copies everything to an empty
    place, compares every table, and leaves the first as it is; set PIPEDRIVE_WAREHOUSE to the second then.
    See docs/ducklake.md.

    Try:

        pipedrive-orchestration warehouse show

        pipedrive-orchestration warehouse maintain --keep-days 30

        pipedrive-orchestration warehouse move data/warehouse.duckdb ducklake:data/crm.ducklake
    """
    with explained(err):
        environment = Environment.read()
        if action is Action.MOVE:
            if places is None or len(places) != 2:
                raise typer.BadParameter("`warehouse move` takes two warehouses: from where, and where to.")
            _move(environment.settings, (places[0], from_data), (places[1], to_data), as_json=json)
        elif places:
            raise typer.BadParameter(f"`warehouse {action}` takes the warehouse of the settings alone.")
        elif action is Action.MAINTAIN:
            kept = environment.settings.keep_snapshots_days if keep_days is None else keep_days
            _maintain(environment.warehouse, timedelta(days=kept), as_json=json)
        else:
            _show(environment.warehouse, as_json=json)


def _show(lake: Warehouse, *, as_json: bool) -> None:
    extent = extent_of(lake)
    if as_json:
        print_json({"database": lake.database, **asdict(extent)})
        return
    say(
        f"{lake.database}: {extent.files:,} files of {extent.bytes / 1e6:,.1f} MB, {extent.snapshots:,} "
        f"snapshots, {extent.waiting:,} files to be removed."
    )


def _maintain(lake: Warehouse, keep: timedelta, *, as_json: bool) -> None:
    with busy("Merging files"):
        done = maintain(lake, keep)
    if as_json:
        print_json({"database": lake.database, **asdict(done)})
        return
    say(
        f"{done.before.files:,} files of {done.before.bytes / 1e6:,.1f} MB are {done.after.files:,} of "
        f"{done.after.bytes / 1e6:,.1f} MB now; {done.before.snapshots:,} snapshots are "
        f"{done.after.snapshots:,}, and {done.removed:,} files were removed, in {done.seconds:.1f} s."
    )


def _move(
    settings: Settings, original: tuple[str, str | None], target: tuple[str, str | None], *, as_json: bool
) -> None:
    first, second = (_named(settings, database, data) for database, data in (original, target))
    with busy("Moving"):
        moved = move(
            first,
            second,
            lambda table: None if as_json else say(f"  {'.'.join(table.name)}: {table.rows:,} rows"),
        )
    if as_json:
        tables = {".".join(table.name): table.rows for table in moved.tables}
        print_json({"from": first.database, "to": second.database, "tables": tables,
                    "folders": moved.folders})  # fmt: skip
        return
    say(f"{moved.rows:,} rows in {len(moved.tables)} tables are in {second.database} now, each compared.")
    for folder in moved.folders:
        say(f"{folder} has its files.")
    say(f"Set PIPEDRIVE_WAREHOUSE to it. {first.database} is as it was; nothing writes to it any more then.")


def _named(settings: Settings, database: str, data: str | None) -> Warehouse:
    """A warehouse as the settings name one; of the one that they do name, they know where its files lie."""
    same = database == settings.warehouse
    place = data or (settings.warehouse_data if same else None)
    expanded = str(Path(database).expanduser()) if database.startswith("~") else database
    return Warehouse.from_settings(settings.but(warehouse=expanded, warehouse_data=place))
