"""Dagster's ``dg dev`` with the guard before its web server; run as a module by the command ``dev``."""

from __future__ import annotations

import sys

from pipedrive_orchestration.services import guarded_web_server
from pipedrive_orchestration.services.dagster_internals import run_dev

if __name__ == "__main__":
    run_dev(sys.argv[1:], web_server=guarded_web_server.__name__)
