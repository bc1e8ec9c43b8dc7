"""How runs are executed here: a run has one step, for which a second process would only cost time."""

import dagster as dg

defs = dg.Definitions(executor=dg.in_process_executor)
