"""The models a second time: plain loops over what happened, without SQL and without the importer's tables.

Rows are mappings by their key. The definitions are those of the columns' descriptions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import mean, median
from typing import Any
from zoneinfo import ZoneInfo

from pipedrive_orchestration_tests.models.company import PIPELINES, STAGES, USERS, Company, Deal, State

Rows = dict[tuple[Any, ...], dict[str, Any]]

DAY = timedelta(days=1)
RATES = {"EUR": [(date(2000, 1, 1), 1.0)], "USD": [(date(2024, 1, 1), 0.92), (date(2026, 1, 1), 0.88)]}
"""Those of the seed, of the company's currencies."""


def money(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def weighted(state: State) -> Decimal | None:
    value = money(state["value"])
    if value is None:
        return None
    uses = PIPELINES[state["pipeline_id"]][1]
    probability = state["probability"]
    if probability is None:
        probability = STAGES[state["stage_id"]][3] if uses else 100
    return value * Decimal(str(probability)) / 100


def in_base(value: Decimal | None, currency: str, day: date) -> float | None:
    known = [rate for since, rate in RATES.get(currency, []) if since <= day]
    return None if value is None or not known else float(value) * known[-1]


def ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def total(values: Iterable[Decimal | None]) -> Decimal:
    return sum((value for value in values if value is not None), Decimal(0))


def average(values: Iterable[Any]) -> float | None:
    found = [float(value) for value in values if value is not None]
    return mean(found) if found else None


def middle(values: Iterable[Any]) -> float | None:
    found = [float(value) for value in values if value is not None]
    return median(found) if found else None


def days(of: timedelta) -> float:
    return of.total_seconds() / 86400


def first_of(day: date) -> date:
    return day.replace(day=1)


def last_of(month: date) -> date:
    return (month.replace(day=28) + 4 * DAY).replace(day=1) - DAY


class Oracle:
    """Expected rows of every model."""

    def __init__(self, company: Company, zone: str) -> None:
        self.company = company
        self.now = company.now
        self._zone = ZoneInfo(zone)
        # Deals that were deleted before anybody looked were never seen.
        self.deals = [d for d in company.deals if d.deleted_at is None or d.deleted_at > company.first_import]
        self.kept = [d for d in self.deals if d.deleted_at is None]
        self.today = self.day(self.now)

    def day(self, instant: datetime) -> date:
        return instant.astimezone(self._zone).date()

    def month(self, instant: datetime) -> date:
        return first_of(self.day(instant))

    def week(self, instant: datetime) -> date:
        day = self.day(instant)
        return day - day.weekday() * DAY

    def end_of(self, day: date) -> datetime:
        return datetime.combine(day + DAY, datetime.min.time(), self._zone)

    @property
    def known_from(self) -> datetime:
        return min(deal.added for deal in self.deals)

    # What happened.

    def stays(self, deal: Deal) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        before: State = {"status": None, "stage_id": None}
        for began, state in deal.states:
            same = before["status"] == "open" and before["stage_id"] == state["stage_id"]
            if before["status"] == "open" and not (same and state["status"] == "open"):
                found[-1]["left_at"] = began
                found[-1]["left_by"] = _way_out(before, state)
            if state["status"] == "open" and not same:
                found.append(
                    {
                        "pipeline_id": state["pipeline_id"],
                        "stage_id": state["stage_id"],
                        "entered_at": began,
                        "left_at": None,
                        "left_by": "still there",
                        "owner_id": state["owner_id"],
                    }
                )
            before = state
        if deal.deleted_at and deal.last["status"] == "open":
            found[-1].update(left_at=deal.deleted_at, left_by="deleted")
        for stay in found:
            stay["days"] = days((stay["left_at"] or self.now) - stay["entered_at"])
        return found

    def closed(self) -> Iterator[tuple[Deal, State, datetime]]:
        for deal in self.kept:
            state = deal.last
            if state["status"] in ("won", "lost"):
                yield deal, state, state[f"{state['status']}_time"]

    def owner_at_closing(self, deal: Deal, closed: datetime) -> int:
        state = deal.at(closed + timedelta(microseconds=1))
        assert state is not None
        owner: int = state["owner_id"]
        return owner

    def idle_since(self, deal: Deal) -> datetime:
        done = [
            one["marked_as_done_time"]
            for one in self.company.activities.values()
            if one["deal_id"] == deal.id and one["done"]
        ]
        latest: datetime = max([deal.added, *deal.moves[-1:], *done])
        return latest

    def is_rotten(self, deal: Deal) -> bool:
        rot = STAGES[deal.last["stage_id"]][4]
        return (
            deal.last["status"] == "open" and rot is not None and days(self.now - self.idle_since(deal)) > rot
        )

    def usual_stay(self, stage_id: int) -> float | None:
        """The median length of the stays in a stage that are over."""
        return middle(
            stay["days"]
            for deal in self.kept
            for stay in self.stays(deal)
            if stay["stage_id"] == stage_id and stay["left_at"]
        )

    # The models.

    def deal_stage_history(self) -> Rows:
        return {
            (deal.id, number): stay
            for deal in self.deals
            for number, stay in enumerate(self.stays(deal), start=1)
        }

    def stage_conversion(self) -> Rows:
        groups: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
        for deal in self.kept:
            stays = self.stays(deal)
            for position, stay in enumerate(stays):
                order = STAGES[stay["stage_id"]][2]
                stay["reached"] = stay["left_by"] == "won" or any(
                    later["pipeline_id"] == stay["pipeline_id"]
                    and (
                        STAGES[later["stage_id"]][2] > order
                        or (later["stage_id"] == stay["stage_id"] and later["left_by"] == "won")
                    )
                    for later in stays[position + 1 :]
                )
                groups[stay["pipeline_id"], stay["stage_id"], self.month(stay["entered_at"])].append(stay)
        ways = {
            "advanced": "advanced",
            "back": "back",
            "handed_over": "other pipeline",
            "won": "won",
            "lost": "lost",
            "still_there": "still there",
        }
        return {
            key: {name: sum(stay["left_by"] == way for stay in stays) for name, way in ways.items()}
            | {
                "entries": len(stays),
                "reached_next": sum(stay["reached"] for stay in stays),
                "median_days": middle(stay["days"] for stay in stays),
            }
            for key, stays in groups.items()
        }

    def deals_named(self) -> Rows:
        rows: Rows = {}
        for deal in self.kept:
            state, person = deal.last, self.company.persons.get(deal.person_id or 0)
            ended = state["won_time"] or state["lost_time"] or self.now
            rows[deal.id,] = {
                "status": state["status"],
                "is_archived": deal.is_archived,
                "stage": STAGES[state["stage_id"]][0],
                "pipeline": PIPELINES[state["pipeline_id"]][0],
                "owner": USERS[state["owner_id"]][0],
                "person": person["name"] if person else None,
                "organization": self.company.organizations[deal.org_id]["name"] if deal.org_id else None,
                "value": money(state["value"]),
                "weighted_value": weighted(state),
                "value_base": in_base(money(state["value"]), state["currency"], self.today),
                "age_days": days(ended - deal.added),
                "days_in_stage": days(ended - (deal.moves[-1] if deal.moves else deal.added)),
                "idle_days": days(self.now - self.idle_since(deal)),
                "is_rotten": self.is_rotten(deal),
            }
        return rows

    def contacts_with_organizations(self) -> Rows:
        rows: Rows = {}
        for key, person in self.company.persons.items():
            theirs = [deal.last["status"] for deal in self.kept if deal.person_id == key]
            done = [
                one["marked_as_done_time"]
                for one in self.company.activities.values()
                if one["person_id"] == key and one["done"]
            ]
            organization = self.company.organizations.get(person["org_id"], {})
            rows[key,] = {
                "email": next((one["value"] for one in person["emails"] if one["primary"]), None),
                "phone": next((one["value"] for one in person["phones"] if one["primary"]), None),
                "organization": organization.get("name"),
                "organization_address": organization.get("address"),
                "open_deals": theirs.count("open"),
                "won_deals": theirs.count("won"),
                "last_activity_at": max(done, default=None),
            }
        return rows

    def pipeline_board(self) -> Rows:
        rows: Rows = {}
        for stage, (_, pipeline, *_rest) in STAGES.items():
            here = [
                deal for deal in self.kept if deal.last["status"] == "open" and deal.last["stage_id"] == stage
            ]
            for currency in sorted({deal.last["currency"] for deal in here}) or [None]:
                group = [deal for deal in here if deal.last["currency"] == currency]
                rows[pipeline, stage, currency] = {
                    "open_deals": len(group),
                    "value": total(money(deal.last["value"]) for deal in group),
                    "archived_deals": sum(deal.is_archived for deal in group),
                    "weighted_value": total(weighted(deal.last) for deal in group),
                    "median_age_days": middle(days(self.now - deal.added) for deal in group),
                    "rotten_deals": sum(self.is_rotten(deal) for deal in group),
                }
        return rows

    def pipeline_daily(self) -> Rows:
        groups: dict[tuple[Any, ...], list[State]] = defaultdict(list)
        day = self.day(self.known_from)
        while day <= self.today:
            for deal in self.kept:
                state = deal.at(min(self.end_of(day), self.now))
                if state and state["status"] == "open":
                    groups[day, state["pipeline_id"], state["stage_id"], state["currency"]].append(state)
            day += DAY
        return {
            key: {
                "open_deals": len(states),
                "value": total(money(state["value"]) for state in states),
                "weighted_value": total(weighted(state) for state in states),
            }
            for key, states in groups.items()
        }

    def pipeline_waterfall(self) -> Rows:
        sums: dict[tuple[Any, ...], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))

        def add(instant: datetime, state: State, part: str, amount: Decimal | None = None) -> None:
            key = self.month(instant), state["pipeline_id"], state["currency"]
            sums[key][part] += money(state["value"]) or Decimal(0) if amount is None else amount

        for deal in self.deals:
            before: State | None = None
            for began, state in deal.states:
                was_open = before is not None and before["status"] == "open"
                if was_open:
                    assert before is not None
                    if (before["pipeline_id"], before["currency"]) != (
                        state["pipeline_id"],
                        state["currency"],
                    ):
                        add(began, before, "moved_out")
                        add(began, state, "moved_in")
                    else:
                        change = (money(state["value"]) or Decimal(0)) - (
                            money(before["value"]) or Decimal(0)
                        )
                        add(began, state, "value_up" if change > 0 else "value_down", abs(change))
                    if state["status"] != "open":
                        add(began, state, state["status"])
                elif state["status"] == "open":
                    add(began, state, "new" if before is None else "reopened")
                before = state
            if deal.deleted_at and deal.last["status"] == "open":
                add(deal.deleted_at, deal.last, "deleted")
        return self._with_openings(sums)

    def _with_openings(self, sums: dict[tuple[Any, ...], dict[str, Decimal]]) -> Rows:
        gains, losses = (
            ("new", "reopened", "moved_in", "value_up"),
            ("value_down", "won", "lost", "moved_out", "deleted"),
        )
        rows: Rows = {}
        for key in {(pipeline, currency) for _, pipeline, currency in sums}:
            month, closing = min(m for m, *rest in sums if tuple(rest) == key), Decimal(0)
            while month <= first_of(self.today):
                parts = sums.get((month, *key), {})
                row: dict[str, Any] = {part: parts.get(part, Decimal(0)) for part in (*gains, *losses)}
                row["opening"] = closing
                closing += sum(row[part] for part in gains) - sum(row[part] for part in losses)
                rows[month, *key] = row | {"closing": closing}
                month = last_of(month) + DAY
        return rows

    def _closed_by(
        self, key_of: Callable[[Deal, State, datetime], tuple[Any, ...]]
    ) -> dict[tuple[Any, ...], list[Any]]:
        groups: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
        for deal, state, closed in self.closed():
            groups[key_of(deal, state, closed)].append((deal, state, closed))
        return groups

    def _sums(self, group: list[Any]) -> dict[str, Any]:
        won = [one for one in group if one[1]["status"] == "won"]
        lost = [one for one in group if one[1]["status"] == "lost"]
        cycles = [days(closed - deal.added) for deal, _, closed in won]
        won_value, lost_value = (total(money(state["value"]) for _, state, _ in part) for part in (won, lost))
        return {
            "won": len(won),
            "lost": len(lost),
            "won_value": won_value,
            "lost_value": lost_value,
            "average_won_value": average(state["value"] for _, state, _ in won),
            "win_rate": ratio(len(won), len(group)),
            "win_rate_by_value": ratio(float(won_value), float(won_value + lost_value)),
            "mean_cycle_days": average(cycles),
            "median_cycle_days": middle(cycles),
        }

    def sales_report(self) -> Rows:
        groups = self._closed_by(
            lambda deal, state, closed: (
                self.month(closed),
                state["pipeline_id"],
                self.owner_at_closing(deal, closed),
                state["currency"],
            )
        )
        return {
            key: self._sums(group)
            | {"won_value_base": in_base(self._sums(group)["won_value"], key[3], last_of(key[0]))}
            for key, group in groups.items()
        }

    def sales_velocity(self) -> Rows:
        groups = self._closed_by(
            lambda _, state, closed: (self.month(closed), state["pipeline_id"], state["currency"])
        )
        daily = self.pipeline_daily()
        open_deals: dict[tuple[Any, ...], int] = defaultdict(int)
        for (day, pipeline, _, currency), row in daily.items():
            if day in (last_of(day), self.today):
                open_deals[first_of(day), pipeline, currency] += row["open_deals"]
        rows: Rows = {}
        for key in groups.keys() | open_deals.keys():
            sums, count = self._sums(groups.get(key, [])), open_deals.get(key, 0)
            velocity = None
            if (
                sums["win_rate"] is not None
                and sums["average_won_value"] is not None
                and sums["mean_cycle_days"]
            ):
                velocity = count * sums["win_rate"] * sums["average_won_value"] / sums["mean_cycle_days"]
            rows[key] = {
                name: sums[name]
                for name in ("won", "lost", "win_rate", "average_won_value", "mean_cycle_days")
            }
            rows[key] |= {"open_deals": count, "velocity_per_day": velocity}
        return rows

    def forecast(self) -> Rows:
        rows: Rows = defaultdict(
            lambda: {
                "open_deals": 0,
                "open_value": Decimal(0),
                "weighted_value": Decimal(0),
                "won_deals": 0,
                "won_value": Decimal(0),
                "overdue_deals": 0,
                "slips": 0,
                "slipped_days": 0,
                "slipped": set(),
            }
        )
        for deal in self.kept:
            state = deal.last
            if state["status"] == "open" and state["expected_close_date"]:
                row = rows[first_of(state["expected_close_date"]), state["pipeline_id"], state["currency"]]
                row["open_deals"] += 1
                row["open_value"] += money(state["value"]) or Decimal(0)
                row["weighted_value"] += weighted(state) or Decimal(0)
                row["overdue_deals"] += state["expected_close_date"] < self.today
            for (_, before), (_, after) in zip(deal.states, deal.states[1:], strict=False):
                old, new = before["expected_close_date"], after["expected_close_date"]
                if before["status"] == after["status"] == "open" and old and new and new > old:
                    row = rows[first_of(old), before["pipeline_id"], before["currency"]]
                    row["slips"] += 1
                    row["slipped_days"] += (new - old).days
                    row["slipped"].add(deal.id)
        for _deal, state, closed in self.closed():
            if state["status"] == "won":
                row = rows[self.month(closed), state["pipeline_id"], state["currency"]]
                row["won_deals"] += 1
                row["won_value"] += money(state["value"]) or Decimal(0)
        for row in rows.values():
            row["slipped_deals"] = len(row.pop("slipped"))
        return dict(rows)

    def leaderboard(self) -> Rows:
        groups = self._closed_by(
            lambda deal, _, closed: (self.month(closed), self.owner_at_closing(deal, closed))
        )
        done: dict[tuple[Any, ...], int] = defaultdict(int)
        for one in self.company.activities.values():
            if one["done"]:
                done[self.month(one["marked_as_done_time"]), one["owner_id"]] += 1
        created: dict[tuple[Any, ...], int] = defaultdict(int)
        for deal in self.kept:
            created[self.month(deal.added), deal.states[0][1]["owner_id"]] += 1
        rows: Rows = {}
        for key in groups.keys() | done.keys() | created.keys():
            group = groups.get(key, [])
            sums = self._sums(group)
            values: dict[str, Decimal] = defaultdict(Decimal)
            for _, state, _ in group:
                if state["status"] == "won" and state["value"] is not None:
                    values[state["currency"]] += money(state["value"]) or Decimal(0)
            bases = [in_base(value, currency, last_of(key[0])) for currency, value in values.items()]
            base: float | None = 0.0
            if sums["won"]:
                base = None if None in bases or not bases else sum(one for one in bases if one is not None)
            rows[key] = {
                name: sums[name]
                for name in ("won", "lost", "win_rate", "mean_cycle_days", "median_cycle_days")
            }
            rows[key] |= {
                "won_values": [{"currency": c, "value": v} for c, v in sorted(values.items())],
                "won_value_base": base,
                "activities_done": done.get(key, 0),
                "deals_created": created.get(key, 0),
            }
        return rows

    def activity_report(self) -> Rows:
        rows: Rows = defaultdict(lambda: {"done": 0, "overdue": 0, "planned": 0})
        for one in self.company.activities.values():
            if one["done"]:
                rows[self.week(one["marked_as_done_time"]), one["owner_id"], one["type"]]["done"] += 1
            else:
                monday = one["due_date"] - one["due_date"].weekday() * DAY
                kind = "overdue" if one["due_date"] < self.today else "planned"
                rows[monday, one["owner_id"], one["type"]][kind] += 1
        won: dict[tuple[Any, ...], int] = defaultdict(int)
        for deal, state, closed in self.closed():
            if state["status"] == "won":
                won[self.week(closed), self.owner_at_closing(deal, closed)] += 1
        for (week, owner, _), row in rows.items():
            row["won_deals"] = won[week, owner]
            row["done_per_won_deal"] = ratio(row["done"], won[week, owner])
        return dict(rows)

    def lost_reasons(self) -> Rows:
        groups: dict[tuple[Any, ...], list[State]] = defaultdict(list)
        in_month: dict[date, int] = defaultdict(int)
        for _, state, closed in self.closed():
            if state["status"] == "lost":
                groups[self.month(closed), state["lost_reason"], state["stage_id"], state["currency"]].append(
                    state
                )
                in_month[self.month(closed)] += 1
        return {
            key: {
                "lost": len(states),
                "value": total(money(state["value"]) for state in states),
                "share": len(states) / in_month[key[0]],
            }
            for key, states in groups.items()
        }

    def lead_conversion(self) -> Rows:
        groups: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
        for key, lead in self.company.leads.items():
            deals = [deal for deal in self.kept if deal.source_lead_id == key]
            if deals or not lead["is_gone"]:
                channel = None if lead["channel"] is None else str(lead["channel"])
                groups[self.month(lead["add_time"]), lead["origin"], channel].append((key, lead, deals))
        rows: Rows = {}
        for group_key, group in groups.items():
            hours = []
            won = [deal for *_, deals in group for deal in deals if deal.last["status"] == "won"]
            values: dict[str, Decimal] = defaultdict(Decimal)
            bases: list[float | None] = []
            for deal in won:
                value, currency = money(deal.last["value"]), deal.last["currency"]
                if value is not None:
                    values[currency] += value
                    bases.append(in_base(value, currency, self.day(deal.last["won_time"])))
            base: float | None = 0.0
            if won:
                base = None if None in bases or not bases else sum(one for one in bases if one is not None)
            for key, lead, _ in group:
                done = [
                    one["marked_as_done_time"]
                    for one in self.company.activities.values()
                    if one["lead_id"] == key and one["done"]
                ]
                hours += [(min(done) - lead["add_time"]).total_seconds() / 3600] if done else []
            rows[group_key] = {
                "leads": len(group),
                "converted": sum(bool(deals) for *_, deals in group),
                "won": sum(any(deal.last["status"] == "won" for deal in deals) for *_, deals in group),
                "median_hours_to_first_activity": middle(hours),
                "conversion": ratio(sum(bool(deals) for *_, deals in group), len(group)),
                "won_values": [{"currency": c, "value": v} for c, v in sorted(values.items())],
                "won_value_base": base,
            }
        return rows


def _way_out(before: State, after: State) -> str:
    if after["status"] != "open":
        status: str = after["status"]
        return status
    if after["pipeline_id"] != before["pipeline_id"]:
        return "other pipeline"
    return "advanced" if STAGES[after["stage_id"]][2] > STAGES[before["stage_id"]][2] else "back"
