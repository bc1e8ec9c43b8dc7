"""Deals and what lies below them, imported in a process of its own.

Prints one JSON object. Arguments: address, token, folder, pull, and the object types.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from pipedrive_orchestration.importing import Pull, import_source, windows_until
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.sources import Options, Source
from pipedrive_orchestration.warehouse import Warehouse

OF_DEALS = ("title", "products_count", "participants_count", "stage_change_time")
"""What of the deals tells whether they can have children."""


def main(url: str, token: str, folder: str, pull: str, *object_types: str) -> None:
    """Import them one after the other and print how long that took."""
    created, place = datetime(2026, 5, 1, tzinfo=UTC), Path(folder)
    began = time.perf_counter()
    for object_type in ("deals", *object_types):
        children = BUILT_IN[object_type].parent is not None
        own = tuple(prop.key for prop in BUILT_IN[object_type].properties)
        source = Source(
            slug=object_type,
            id=uuid.uuid5(uuid.NAMESPACE_URL, object_type),
            created_at=created,
            name=object_type,
            object_type=object_type,
            properties=own if children else OF_DEALS,
            pull_mode="static",
            options=Options(partitions_start="2026-01"),
            parents="deals" if children else None,
        )
        import_source(
            source,
            connection=Connection.of(url, token),
            warehouse=Warehouse(str(place / "warehouse.duckdb")),
            staging=place / "staging",
            pull=Pull(pull),
            windows=windows_until(source, datetime.now(UTC)) if pull == "window" and not children else (),
        )
    print(json.dumps({"seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main(*sys.argv[1:])
