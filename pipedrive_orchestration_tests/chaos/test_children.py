"""The children of 10,000 deals: how many requests they take, over days of budget and through kills."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from pipedrive_orchestration.demo.generator.business import VOLUMES
from pipedrive_orchestration.pipedrive.errors import BudgetSpent
from pipedrive_orchestration.pipedrive.object_types import MAX_PAGE_SIZE
from pipedrive_orchestration_tests.chaos.figures import FIGURES
from pipedrive_orchestration_tests.chaos.killed_imports import KilledImport, import_killer
from pipedrive_orchestration_tests.chaos.sizes import SEED, in_full, size
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.test_children import Children
from pipedrive_orchestration_tests.exactness.trial import Trial

DEALS = size("CHAOS_DEALS", 10_000)
DAYS = 3
KILLS_A_DAY = 2
LOST = 50
"""Requests that kills may cost, and that are not for children."""


pytestmark = in_full


def requests_since(trial: Trial, start: int, path: str) -> int:
    return sum(
        path in request.path and request.status == 200 for request in trial.demo.account.requests[start:]
    )


def test_sets_of_many_deals_take_a_request_for_a_hundred(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=DEALS / VOLUMES["deals"], burst=0)
    products = Children(trial, "deal_products")
    trial.windows(products.parents)
    for children in (products, Children(trial, "deal_installments")):
        start = len(trial.demo.account.requests)
        report = trial.windows(children.source)
        asked = requests_since(trial, start, "/deals/")
        FIGURES[f"requests for {children.source.object_type} of {DEALS:,} deals"] += report.requests
        assert asked <= DEALS / 100 + 10
        assert children.differences() == []


def test_changes_of_many_deals_over_days_of_budget_and_kills(fresh_trial: FreshTrial) -> None:
    scale = DEALS / VOLUMES["deals"]
    account = fresh_trial(scale=scale).demo.account
    moved = sum(
        bool(deal["stage_change_time"]) and not deal["is_deleted"] and not deal["is_archived"]
        for deal in account.records("deals")
    )
    trial = fresh_trial(scale=scale, burst=0, daily_tokens=20 * (moved // DAYS + LOST // DAYS + 5))
    children = Children(trial, "deal_changes")
    trial.windows(children.parents)
    days = 0
    start, rng = len(trial.demo.account.requests), Random(SEED)
    with import_killer() as killer:
        for _ in range(DAYS):
            for _ in range(KILLS_A_DAY):
                killer.kill(
                    KilledImport(
                        url=trial.demo.url,
                        token=trial.demo.token,
                        folder=str(trial.folder),
                        source=children.source.model_dump_json(),
                        pull="window",
                        moment="answered",
                        nth=rng.randint(3, moved // 15),
                        after=0,
                        began=trial.clock().isoformat(),
                        page_size=MAX_PAGE_SIZE,
                    )
                )
            try:
                trial.windows(children.source)
            except BudgetSpent:
                days += 1
            trial.demo.account.clock.advance(timedelta(days=1))
    assert days == DAYS - 1
    asked = requests_since(trial, start, "/changelog")
    FIGURES[f"requests for the changes of {moved:,} moved deals, killed {DAYS * KILLS_A_DAY} times"] += asked
    assert moved <= asked <= moved + LOST
    assert children.differences() == []
