"""One import in a process of its own, for a Python program that wants it; see ``library.import_source``.

Standard input says what to import and by which settings, as JSON: nothing else of this process's surroundings
counts, and no secret is on a command line.
"""

from __future__ import annotations

import json
import sys

from pipedrive_orchestration.garbage_collection import no_garbage_collection
from pipedrive_orchestration.process_exit import run_to_exit

with no_garbage_collection():
    from pipedrive_orchestration.cli.commands.publish import publish_what_is_new
    from pipedrive_orchestration.cli.environment import Environment
    from pipedrive_orchestration.cli.errors import explained
    from pipedrive_orchestration.cli.imports import import_sources
    from pipedrive_orchestration.cli.output import err
    from pipedrive_orchestration.importing import Pull
    from pipedrive_orchestration.orchestration.in_process import ImportArguments
    from pipedrive_orchestration.services.deployment import deployed
    from pipedrive_orchestration.settings import Settings


def main() -> None:
    """Import, or end with a message on standard error and an exit code that is not 0."""
    asked = json.load(sys.stdin)
    with explained(err):
        environment = Environment(Settings.from_variables(asked["variables"]), asked["variables"])
        environment.export()
        arguments = ImportArguments(Pull(asked["pull"]) if asked["pull"] else None)
        with deployed(environment.settings) as deployment:
            source = deployment.store.load().find(asked["source"])
            _, failed = import_sources(environment, deployment, [source], err, arguments)
        for error in failed.values():
            raise error
        publish_what_is_new(environment, err)


if __name__ == "__main__":
    run_to_exit(main)
