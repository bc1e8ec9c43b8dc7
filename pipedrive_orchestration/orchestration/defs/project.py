"""The project that the environment names."""

import dagster as dg

from pipedrive_orchestration.orchestration.components import PipedriveProject


@dg.component_instance
def project(context: dg.ComponentLoadContext) -> PipedriveProject:
    """The component, known to the code location by the key of its snapshots."""
    return PipedriveProject.load(None, context)
