"""One import of a source: plan, extract, load, transform, merge, commit, reconcile; and its preview."""

from pipedrive_orchestration.importing.definition import UnfitSourceError, UnknownPropertiesError
from pipedrive_orchestration.importing.estimate import estimate_first_import
from pipedrive_orchestration.importing.preview import Preview, preview
from pipedrive_orchestration.importing.property_options import property_options
from pipedrive_orchestration.importing.report import (
    Estimate,
    ImportEvent,
    ImportReport,
    Listener,
    Note,
    Progress,
    Pull,
    Resumption,
    RowCounts,
    WindowReport,
    set_aside,
)
from pipedrive_orchestration.importing.run import import_source
from pipedrive_orchestration.importing.staging import StagingError
from pipedrive_orchestration.importing.windows import (
    Window,
    grid_start,
    windows_between,
    windows_until,
)

__all__ = [
    "Estimate",
    "ImportEvent",
    "ImportReport",
    "Listener",
    "Note",
    "Preview",
    "Progress",
    "Pull",
    "Resumption",
    "RowCounts",
    "StagingError",
    "UnfitSourceError",
    "UnknownPropertiesError",
    "Window",
    "WindowReport",
    "estimate_first_import",
    "grid_start",
    "import_source",
    "preview",
    "property_options",
    "set_aside",
    "windows_between",
    "windows_until",
]
