"""The project that the environment names."""

import dagster as dg

from pipedrive_orchestration.orchestration.components import PipedriveProject


@dg.component_instance
def project(context: dg.ComponentLoadContext) -> PipedriveProject:
    """The component without attributes; a ``defs.yaml`` would add its line to each of a thousand assets."""
    return PipedriveProject.without_attributes(context)
