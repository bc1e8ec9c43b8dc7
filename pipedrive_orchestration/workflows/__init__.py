"""Workflows: typed tables that sources feed, and the queue of what is to be done with their rows.

`WorkflowStore` reads and writes the workflows of a project folder, `parse_sync` checks the link from a
source to a workflow, `run_sync` brings the source's rows over, and `run_actions` works off the queue.
"""

from pipedrive_orchestration.workflows.actions.runner import ActionsReport, run_actions
from pipedrive_orchestration.workflows.inputs import Input, Output
from pipedrive_orchestration.workflows.model import OnRemove, OnUpdate, RowsToRun, Sync, SyncRules, Workflow
from pipedrive_orchestration.workflows.report import Rejection, SyncReport
from pipedrive_orchestration.workflows.store import LoadedWorkflows, UnknownWorkflowError, WorkflowStore
from pipedrive_orchestration.workflows.sync import run_sync
from pipedrive_orchestration.workflows.validation import parse_sync, problems_of_syncs

__all__ = [
    "ActionsReport",
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
    "run_actions",
    "run_sync",
]
