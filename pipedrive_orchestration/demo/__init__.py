"""The demo account: a strict local Pipedrive over real HTTP, with data that looks like a business.

In a test or a script::

    with running_demo(Settings(scale=0.02, burst=0)) as demo:
        httpx.get(f"{demo.url}/api/v2/deals", headers={"x-api-token": demo.token})
        demo.write("PATCH", "/api/v2/deals/1", {"title": "Renamed"})  # as a user of the web app would
        demo.account.clock.advance(timedelta(days=31))  # deleted records are purged
        demo.account.records("deals")  # all of them: deleted and archived ones too
        demo.account.requests  # what was asked, with status and tokens
    with running_demo(Settings(faults=Faults(0.05))) as demo:
        demo.injected  # what went wrong on the way, and how often
        demo.odd.follow(odd("null-data", path="/v1/recents", after=1, times=2))  # what others have met
        demo.odd.follow(Rule("a flipped type", record_with("field_code", code, field_type="set"), until=soon))

As a process: ``python -m pipedrive_orchestration.demo --help``.

Where nobody outside Pipedrive knows what it does (docs/pipedrive-api.md#unverified), the account does this:

* a soft-deleted record answers a single read with ``is_deleted`` true until it is purged; ``ids`` leaves it
  out, except deals with ``status=deleted``; leads are gone at once, notes never;
* unknown query parameters, cursors of another sort order and limits above 500 are refused, in v1 too;
* archiving, merging and being moved by a merge set ``update_time``; other changes of linked records do not;
* an archived deal or lead takes nothing but ``is_archived`` false, a deleted deal nothing but ``is_deleted``
  false; ``filter_id`` finds neither;
* ``merge_what_id`` of a person in recents names the other one, on both of them;
* the request that crosses the daily budget is answered, the next one is not; midnight is UTC;
* a retired v1 route answers 410 and costs nothing;
* an empty ``custom_fields`` object clears all custom fields;
* one app is installed: ``demo.oauth`` has its credentials, and ``POST /oauth/token`` answers beside the API.
"""

from pipedrive_orchestration.demo.account.account import Account, LoggedRequest
from pipedrive_orchestration.demo.clock import Clock
from pipedrive_orchestration.demo.errors import ApiError
from pipedrive_orchestration.demo.faults import Fault, Faults
from pipedrive_orchestration.demo.journal import JournalError
from pipedrive_orchestration.demo.limits import Limits
from pipedrive_orchestration.demo.odd_answers import ODD_ANSWERS, OddAnswers, Rule, odd
from pipedrive_orchestration.demo.operations import OPERATIONS, Operation
from pipedrive_orchestration.demo.server import DemoServer, running_demo
from pipedrive_orchestration.demo.settings import Settings

__all__ = [
    "ODD_ANSWERS",
    "OPERATIONS",
    "Account",
    "ApiError",
    "Clock",
    "DemoServer",
    "Fault",
    "Faults",
    "JournalError",
    "Limits",
    "LoggedRequest",
    "OddAnswers",
    "Operation",
    "Rule",
    "Settings",
    "odd",
    "running_demo",
]
