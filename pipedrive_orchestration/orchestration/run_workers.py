"""The run launcher by the name that stands in the `dagster.yaml` of a folder which 0.1.0 has laid out.

Such a file is its user's, and no new version changes it (docs/upgrade.md).
"""

from pipedrive_orchestration.orchestration.run_monitoring import WatchedRunLauncher

__all__ = ["WatchedRunLauncher"]
