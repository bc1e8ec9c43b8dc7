"""Examples in the Launchpad.

The Launchpad opens a job with the defaults of its schema. There is no other place for an example beside a
mapping, and a default would stand in for what a run's config leaves out.
"""

from __future__ import annotations

from typing import Any

import dagster as dg


class ExampleMapping(dg.ConfigMapping):
    """A mapping whose schema has an example as its defaults, none of which a run ever takes.

    The op that the config is mapped to has the same schema without them, and refuses what is missing.
    """

    def resolve_from_unvalidated_config(self, config: Any) -> Any:
        """The config of the op, from that of a run as it was written."""
        return self.config_fn(config)
