"""Workflows: typed tables that sources feed, and the queue of what is to be done with their rows.

`WorkflowStore` reads and writes the workflows of a project folder, `parse_sync` checks the link from a
source to a workflow. What runs them is not imported here, so that reading files needs no HTTP client:
`sync.run_sync` brings the source's rows over, `actions.runner.run_actions` works off the queue.
"""

from pipedrive_orchestration.workflows.inputs import Input, Output
from pipedrive_orchestration.workflows.model import OnRemove, OnUpdate, RowsToRun, Sync, SyncRules, Workflow
from pipedrive_orchestration.workflows.report import Rejection, SyncReport
from pipedrive_orchestration.workflows.store import LoadedWorkflows, UnknownWorkflowError, WorkflowStore
from pipedrive_orchestration.workflows.validation import parse_sync, problems_of_syncs

__all__ = [
    "Input",
    "LoadedWorkflows",
    "OnRemove",
    "OnUpdate",
    "Output",
    "Rejection",
    "RowsToRun",
    "Sync",
    "SyncReport",
    "SyncRules",
    "UnknownWorkflowError",
    "Workflow",
    "WorkflowStore",
    "parse_sync",
    "problems_of_syncs",
]
