"""The code location: everything the project folder defines."""

import warnings
from pathlib import Path

import dagster as dg

from pipedrive_orchestration.orchestration import defs as defs_module

with warnings.catch_warnings():
    # To load a module of components, Dagster itself calls what it marks as preview and beta.
    warnings.simplefilter("ignore", dg.PreviewWarning)
    warnings.simplefilter("ignore", dg.BetaWarning)
    defs = dg.ComponentTree(
        defs_module=defs_module,
        project_root=Path(__file__).parents[1],
        code_location_name="pipedrive_orchestration",
    ).build_defs()
