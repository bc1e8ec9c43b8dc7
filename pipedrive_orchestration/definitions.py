"""The code location: everything the project folder defines."""

import warnings
from pathlib import Path

import dagster as dg

from pipedrive_orchestration.orchestration import defs as defs_module

with warnings.catch_warnings():
    # To load a module of components, Dagster itself calls what it marks as preview and beta.
    warnings.simplefilter("ignore", dg.PreviewWarning)
    warnings.simplefilter("ignore", dg.BetaWarning)
    _tree = dg.ComponentTree(
        defs_module=defs_module,
        project_root=Path(__file__).parents[1],
        code_location_name="pipedrive_orchestration",
    )
    # The whole tree would have a description of every component that is installed, for which Dagster imports
    # all packages that have one, in every run: dagster-dbt alone takes two seconds.
    defs = dg.Definitions.merge(
        _tree.build_defs(Path(defs_module.__file__).parent), dg.Definitions(component_tree=_tree)
    )
