"""The code location: everything the project folder defines."""

import warnings
from collections.abc import Iterable
from pathlib import Path

import dagster as dg

from pipedrive_orchestration.garbage_collection import no_garbage_collection

with no_garbage_collection():
    from pipedrive_orchestration.orchestration import defs as defs_module


class _Tree(dg.ComponentTree):
    """The components of the code location.

    The whole of it would have a description of every component that is installed, for which Dagster imports
    all packages that have one, in every run: dagster-dbt alone takes two seconds.
    """

    def definitions(self) -> dg.Definitions:
        """What the components make, with this tree, by which a code server takes new snapshots."""
        made = self.build_defs(self.defs_module_path)
        return dg.Definitions.merge(made, dg.Definitions(component_tree=self))

    def reload_with_state(self, changed_state_keys: Iterable[str]) -> dg.Definitions:
        """The same of newer snapshots, as a code server asks for it.

        Args:
            changed_state_keys: of the components whose snapshots are newer.
        """
        for key in changed_state_keys:
            self.state_tracker.invalidate_by_defs_state_key(key)
        return self.definitions()


with warnings.catch_warnings():
    # To load a module of components, Dagster itself calls what it marks as preview and beta.
    warnings.simplefilter("ignore", dg.PreviewWarning)
    warnings.simplefilter("ignore", dg.BetaWarning)
    defs = _Tree(
        defs_module=defs_module,
        project_root=Path(__file__).parents[1],
        code_location_name="pipedrive_orchestration",
    ).definitions()
