"""A plan that costs more than a day's budget is applied over days, each change once."""

from __future__ import annotations

from datetime import timedelta

from pipedrive_orchestration_tests.chaos.sizes import BULK
from pipedrive_orchestration_tests.writing.trial import write_trial

DAYS = 4
"""Days of budget that changes alone would take, beside what each day costs besides."""

BESIDES = 200
"""Tokens of a day for what is asked before anything is changed."""

PERSONS = 3_900
"""Persons of an account of scale 1, at least."""


def test_a_plan_is_applied_over_days_of_budget_and_each_change_is_made_once() -> None:
    budget = BESIDES + 5 * BULK // DAYS
    only = {"persons": ("name", "job_title")}
    with write_trial(only=only, scale=1.1 * BULK / PERSONS, daily_tokens=budget) as trial:
        trial.account.clock.advance(timedelta(days=1))
        known = trial.live("persons", BULK)
        assert len(known) == BULK
        trial.rows(*({"id": one["id"], "job": "Roofer"} for one in known))
        limits = {"changes": BULK, "tokens": 10 * BULK}
        write = trial.write(fields={"job": "job_title"}, limits=limits)
        plan = trial.plan(write)
        assert plan.updates == BULK
        # Somebody changes a record before its turn comes.
        trial.demo.write("PATCH", f"/api/v2/persons/{known[-1]['id']}", {"job_title": "Pilot"})
        days = 1
        while not (report := trial.apply(plan, write)).is_complete:
            assert "budget" in str(report.note)
            assert trial.demo.limits.tokens_used <= budget + 10
            trial.account.clock.advance(timedelta(days=1))
            days += 1
        assert days >= 5 * BULK // budget
        assert days > 1
        assert report.counts == {"done": BULK - 1, "moved": 1}
        sent = [path for method, path in trial.writes() if method == "PATCH"]
        assert len(sent) == len(set(sent)) == BULK - 1
        jobs = [trial.record("persons", one["id"])["job_title"] for one in known]
        assert (jobs.count("Roofer"), jobs[-1]) == (BULK - 1, "Pilot")
