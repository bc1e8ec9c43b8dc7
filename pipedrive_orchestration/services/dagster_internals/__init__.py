"""Every private interface of Dagster that the product uses; nothing outside this package imports one.

Tried on Dagster 1.13.27. Each module says why the public interface does not do, so that whoever takes a newer
Dagster knows what to look for there. What makes its databases and the
output of its runs quick is in force once this is imported.
"""

from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.defs_state.blob_storage_state_storage import UPathDefsStateStorage
from dagster._serdes.config_class import ConfigurableClassData

from pipedrive_orchestration.services.dagster_internals import run_output as _run_output  # noqa: F401 - so too
from pipedrive_orchestration.services.dagster_internals import sqlite as _sqlite  # noqa: F401 - for what it does
from pipedrive_orchestration.services.dagster_internals.code_servers import (
    UnreachableError,
    address_of_code_server,
    fork_runs,
    reload_code_server,
)
from pipedrive_orchestration.services.dagster_internals.event_log import (
    last_verdict,
    store_materializations,
)
from pipedrive_orchestration.services.dagster_internals.failures import (
    Cancellation,
    ForeseenFailure,
)
from pipedrive_orchestration.services.dagster_internals.given_names import (
    ALL_ASSETS_JOB,
    REPOSITORY,
)
from pipedrive_orchestration.services.dagster_internals.key_values import (
    InstanceKeyValues,
)
from pipedrive_orchestration.services.dagster_internals.launchpad import (
    ExampleMapping,
)
from pipedrive_orchestration.services.dagster_internals.loading import (
    assets_of_this_run,
    instance_of_load,
    is_first_load,
)
from pipedrive_orchestration.services.dagster_internals.reloads import show_snapshots
from pipedrive_orchestration.services.dagster_internals.run_history import (
    OldRun,
    RunHistory,
)
from pipedrive_orchestration.services.dagster_internals.schedules import (
    ScheduleStates,
    location_of,
)
from pipedrive_orchestration.services.dagster_internals.snapshots import (
    KEPT_SNAPSHOTS,
    SNAPSHOTS_KEPT_FOR,
    forget_old_snapshots,
    pin_snapshot,
    stored_snapshot,
)
from pipedrive_orchestration.services.dagster_internals.web_server import (
    run_dev,
    run_web_server,
)

__all__ = [
    "ALL_ASSETS_JOB",
    "KEPT_SNAPSHOTS",
    "REPOSITORY",
    "SNAPSHOTS_KEPT_FOR",
    "Cancellation",
    "CheckRunHealthResult",
    "ConfigurableClassData",
    "ExampleMapping",
    "ForeseenFailure",
    "InstanceKeyValues",
    "OldRun",
    "RunHistory",
    "ScheduleStates",
    "UPathDefsStateStorage",
    "UnreachableError",
    "WorkerStatus",
    "address_of_code_server",
    "assets_of_this_run",
    "forget_old_snapshots",
    "fork_runs",
    "instance_of_load",
    "is_first_load",
    "last_verdict",
    "location_of",
    "pin_snapshot",
    "reload_code_server",
    "run_dev",
    "run_web_server",
    "show_snapshots",
    "store_materializations",
    "stored_snapshot",
]
