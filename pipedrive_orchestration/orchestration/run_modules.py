"""What a run of a source needs, imported once by the process that runs are forked from.

None of it starts a thread or opens a connection as it is imported, which could not be forked.
"""

from pipedrive_orchestration.garbage_collection import no_garbage_collection

with no_garbage_collection():
    import anyio._backends._asyncio  # noqa: F401

    import pipedrive_orchestration.orchestration.components  # noqa: F401
