"""The demo account: a strict local Pipedrive over real HTTP, with data that looks like a business.

In a test or a script::

    with running_demo(Settings(scale=0.02, burst=0)) as demo:
        httpx.get(f"{demo.url}/api/v2/deals", headers={"x-api-token": demo.token})
        demo.write("PATCH", "/api/v2/deals/1", {"title": "Renamed"})  # as a user of the web app would
        demo.account.clock.advance(timedelta(days=31))  # deleted records are purged
        demo.account.records("deals")  # all of them: deleted and archived ones too
        demo.account.requests  # what was asked, with status and tokens

As a process: ``python -m pipedrive_orchestration.demo --help``.
"""

from pipedrive_orchestration.demo.account.account import Account, LoggedRequest
from pipedrive_orchestration.demo.clock import Clock
from pipedrive_orchestration.demo.errors import ApiError
from pipedrive_orchestration.demo.journal import JournalError
from pipedrive_orchestration.demo.limits import Limits
from pipedrive_orchestration.demo.routes import ROUTES, Route
from pipedrive_orchestration.demo.server import DemoServer, running_demo
from pipedrive_orchestration.demo.settings import Settings

__all__ = [
    "ROUTES",
    "Account",
    "ApiError",
    "Clock",
    "DemoServer",
    "JournalError",
    "Limits",
    "LoggedRequest",
    "Route",
    "Settings",
    "running_demo",
]
