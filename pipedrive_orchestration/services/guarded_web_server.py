"""Dagster's web server behind the guard, on its own port; run as a module in place of Dagster's."""

from __future__ import annotations

from pipedrive_orchestration.services.dagster_internals import run_web_server
from pipedrive_orchestration.services.web_guard import WebGuard

if __name__ == "__main__":
    run_web_server(WebGuard)
