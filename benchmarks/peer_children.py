"""Deals, their participants and flows through dlt's REST source: a request for every deal and list.

Runs in an environment of its own. Arguments: address, token, database. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any


def main(url: str, token: str, database: str) -> None:
    """Load everything once and print how long that took."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    import dlt  # type: ignore[import-not-found] # noqa: PLC0415 - only in its own environment
    from dlt.sources.rest_api import rest_api_source  # type: ignore[import-not-found] # noqa: PLC0415

    began = time.perf_counter()
    source = rest_api_source(
        {
            "client": {"base_url": f"{url}/", "headers": {"x-api-token": token}},
            "resources": [
                {
                    "name": "deals",
                    "primary_key": "id",
                    "write_disposition": "merge",
                    "endpoint": {
                        "path": "api/v2/deals",
                        "params": {"limit": 500},
                        "data_selector": "data",
                        "paginator": {
                            "type": "cursor",
                            "cursor_path": "additional_data.next_cursor",
                            "cursor_param": "cursor",
                        },
                    },
                },
                _below_a_deal("participants"),
                _below_a_deal("flow"),
            ],
        }
    )
    pipeline = dlt.pipeline(
        pipeline_name="children",
        pipelines_dir=f"{database}.pipelines",
        destination=dlt.destinations.duckdb(database),
        dataset_name="pipedrive",
    )
    pipeline.run(source, loader_file_format="parquet")
    print(json.dumps({"seconds": time.perf_counter() - began, "version": dlt.__version__}))


def _below_a_deal(name: str) -> dict[str, Any]:
    return {
        "name": f"deal_{name}",
        "parallelized": True,
        "max_table_nesting": 0,
        "endpoint": {
            "path": f"v1/deals/{{resources.deals.id}}/{name}",
            "params": {"limit": 500},
            "data_selector": "data",
            "paginator": {
                "type": "offset",
                "limit": 500,
                "offset_param": "start",
                "total_path": None,
                "has_more_path": "additional_data.pagination.more_items_in_collection",
            },
        },
    }


if __name__ == "__main__":
    main(*sys.argv[1:4])
