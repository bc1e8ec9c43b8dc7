"""Dagster's web server behind the guard, on its own port; run as a module in place of Dagster's."""

from __future__ import annotations

from pathlib import Path

from pipedrive_orchestration.models.store import report_file, work_folder
from pipedrive_orchestration.services.dagster_internals import run_web_server
from pipedrive_orchestration.services.report_page import ReportPage
from pipedrive_orchestration.services.web_guard import Application, WebGuard
from pipedrive_orchestration.settings import Settings


def page() -> Path:
    """The page of the report, as the settings name it."""
    return report_file(work_folder(Settings.read()))


def guarded(application: Application) -> WebGuard:
    """Dagster's application with the report beside it, and the guard before both."""
    return WebGuard(ReportPage(application, page), Settings.read().dagster_hosts or ())


if __name__ == "__main__":
    run_web_server(guarded)
