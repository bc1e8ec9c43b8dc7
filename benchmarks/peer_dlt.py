"""The same persons through dlt's generic REST source into DuckDB, with its parquet loader.

Runs in an environment of its own (see ``benchmarks.peers``). Arguments: address, database.
Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time


def main(url: str, database: str) -> None:
    """Load the persons once and print what it took."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    import dlt  # type: ignore[import-not-found] # noqa: PLC0415 - only in its own environment
    from dlt.sources.rest_api import rest_api_source  # type: ignore[import-not-found] # noqa: PLC0415

    used, began = _cpu(), time.perf_counter()
    source = rest_api_source(
        {
            "client": {
                "base_url": f"{url}/api/v2/",
                "headers": {"x-api-token": "0" * 40},
                "paginator": {
                    "type": "cursor",
                    "cursor_path": "additional_data.next_cursor",
                    "cursor_param": "cursor",
                },
            },
            "resources": [
                {
                    "name": "persons",
                    "primary_key": "id",
                    "write_disposition": "merge",
                    "endpoint": {
                        "path": "persons",
                        "params": {"limit": 500, "sort_by": "update_time", "sort_direction": "asc"},
                        "data_selector": "data",
                    },
                }
            ],
        }
    )
    pipeline = dlt.pipeline(
        pipeline_name="persons",
        pipelines_dir=f"{database}.pipelines",
        destination=dlt.destinations.duckdb(database),
        dataset_name="pipedrive",
    )
    pipeline.run(source, loader_file_format="parquet")
    seconds = time.perf_counter() - began
    print(
        json.dumps(
            {
                "seconds": seconds,
                "cpu": _cpu() - used,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "version": dlt.__version__,
            }
        )
    )


def _cpu() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    main(*sys.argv[1:3])
