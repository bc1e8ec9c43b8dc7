"""The sources of the project folder."""

import dagster as dg

from pipedrive_orchestration.orchestration.components import ImportSources


@dg.component_instance
def import_sources(context: dg.ComponentLoadContext) -> ImportSources:
    """The component, known to the code location by the key of its snapshots."""
    return ImportSources.load(None, context)
