"""Records that are read per parent: exact after changes of parents and children, however imports end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.demo import DemoServer, running_demo
from pipedrive_orchestration.importing import ImportReport, preview
from pipedrive_orchestration.importing.children import MAX_CHILD_READERS
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.pipedrive.errors import BudgetSpent
from pipedrive_orchestration.sources import PreviewBody, Source
from pipedrive_orchestration_tests.chaos.sizes import FULL, in_full, sample
from pipedrive_orchestration_tests.conftest import account_settings
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.disturbances import EndsAt, Interrupted
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.exactness.truth import Kind
from pipedrive_orchestration_tests.exactness.values import Record, found

COUNTED = sorted({one.parent.counted for one in BUILT_IN.values() if one.parent and one.parent.counted})


def properties_of_parents(object_type: str) -> tuple[str, ...]:
    """What of a parents' source is imported: an id, and what tells whether there can be children."""
    return "id", *(key for key in COUNTED if BUILT_IN[object_type].property(key))


class Children:
    """A child source with that of its parents, and how its table compares with the account."""

    def __init__(self, trial: Trial, object_type: str, **parents: Any) -> None:
        self.trial = trial
        parent = BUILT_IN[object_type].parent
        assert parent is not None
        self.parent = parent
        choices = {"properties": properties_of_parents(parent.type.name), "slug": "parents"} | parents
        self.parents = trial.source(parent.type.name, **choices)
        properties = tuple(prop.key for prop in BUILT_IN[object_type].properties)
        self.source: Source = trial.source(object_type, properties=properties, parents=self.parents.slug)

    def bring(self) -> ImportReport:
        """What changed of the parents, then of the children."""
        self.trial.changes(self.parents)
        return self.trial.changes(self.source)

    def truth(self) -> Iterator[tuple[str, Record]]:
        """The children of the parents that are current here, as the account has them, with their parents."""
        account = self.trial.demo.account
        counted, least = self.parent.counted, self.parent.least
        for parent_id, row in self.trial.rows(self.parents).items():
            if not row["_is_current"]:
                continue
            known = int(parent_id) if parent_id.isdigit() else parent_id
            record = account.record(self.parent.type.name, known)
            assert record is not None
            if counted and (record[counted] is None or (least is not None and record[counted] < least)):
                continue
            plain, inner = self.source.type.plain, self.source.type.inner
            for child in account.children.of(self.source.object_type, known):
                record = {plain: child} if plain else child[inner] if inner else child
                yield parent_id, _unwrapped(record, self.source.object_type)

    def differences(self) -> list[str]:
        """What is wrong with the table, as text."""
        kinds = [
            Kind(prop.key, prop.field_type, "plain") for prop in BUILT_IN[self.source.object_type].properties
        ]
        wanted = Counter(
            (parent_id, *(_shown(kind.of(child)) for kind in kinds)) for parent_id, child in self.truth()
        )
        got = Counter(
            (str(row["_parent_id"]), *(_shown(found(row[kind.key], kind.field_type)) for kind in kinds))
            for row in self.trial.rows(self.source).values()
            if row["_is_current"]
        )
        missing = [f"missing {one}" for one in (wanted - got).elements()]
        return missing + [f"too many {one}" for one in (got - wanted).elements()]

    def change(self, rng: Random, steps: int) -> None:
        """Random changes of deals and of what they hold."""
        account = self.trial.demo.account
        deals = [one for one in account.records("deals") if not one["is_deleted"] and not one["is_archived"]]
        for _ in range(steps):
            deal = rng.choice(deals)
            path = f"/api/v2/deals/{deal['id']}"
            step = rng.randrange(5)
            if step == 0:
                stage = rng.choice([one["id"] for one in account.records("stages") if not one["is_deleted"]])
                self.trial.demo.write("PATCH", path, {"stage_id": stage})
            elif step == 1:
                self.trial.demo.write("DELETE", path)
                deals.remove(deal)
            else:
                with account.lock:
                    held = list(account.children.of("deal_products", deal["id"]))
                    if held and step == 2:
                        held.pop(rng.randrange(len(held)))
                    elif held and step == 3:
                        held[0] = {**held[0], "quantity": rng.randrange(1, 99), "comments": "changed"}
                    else:
                        held.append(_attachment(account.new_id("deal_products"), deal, rng))
                    account.children.replace("deal_products", deal["id"], held)
                    known = account["deals"].get(deal["id"])
                    assert known is not None
                    account.save("deals", {**known, "products_count": len(held)})


def _unwrapped(child: Record, object_type: str) -> Record:
    """A child with ids in place of the objects that v1 puts around them."""
    whole = {prop.key for prop in BUILT_IN[object_type].properties if prop.field_type == "json"}
    return {
        key: value["value"] if isinstance(value, dict) and "value" in value and key not in whole else value
        for key, value in child.items()
    }


def _shown(cell: Any) -> str:
    return f"{cell.astimezone(UTC):%Y-%m-%dT%H:%M:%S}" if isinstance(cell, datetime) else repr(cell)


def _attachment(number: Any, deal: Record, rng: Random) -> Record:
    keys = [prop.key for prop in BUILT_IN["deal_products"].properties]
    return dict.fromkeys(keys) | {
        "id": 10**9 + int(number),
        "deal_id": deal["id"],
        "product_id": 1,
        "name": "Attached",
        "quantity": rng.randrange(1, 9),
        "item_price": 12.5,
        "is_enabled": True,
        "add_time": "2026-05-20T10:00:00Z",
    }


TYPES = [name for name, one in BUILT_IN.items() if one.parent is not None]


SHAPES = (
    "deal_discounts",
    "deal_participants",
    "lead_permitted_users",
    "note_comments",
    "organization_relationships",
    "deal_mail_messages",
    "role_pipelines",
    "user_permissions",
    "product_images",
    "product_deals",
    "person_products",
    "goal_results",
    "deal_flow",
)
"""Children of which each is listed, or named, in another way."""


def test_every_kind_of_children_is_imported_cell_by_cell(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.005, burst=0)
    parents: dict[str, Source] = {}
    for object_type in sample(TYPES, *SHAPES):
        parent = BUILT_IN[object_type].parent
        assert parent is not None
        children = Children(trial, object_type, slug=f"all_{parent.type.name}")
        if parent.type.name not in parents:
            parents[parent.type.name] = children.parents
            trial.windows(children.parents)
        trial.windows(children.source)
        assert children.differences() == []
        assert trial.rows(children.source), object_type


@pytest.mark.parametrize("object_type", sample(TYPES, "deal_products"))
def test_children_are_those_of_the_account_after_every_change(
    fresh_trial: FreshTrial, object_type: str
) -> None:
    trial = fresh_trial(scale=0.02, burst=0)
    children = Children(trial, object_type)
    trial.windows(children.parents)
    trial.windows(children.source)
    assert children.differences() == []
    assert trial.rows(children.source)
    for seed in range(2):
        trial.demo.account.clock.advance(timedelta(minutes=10))
        children.change(Random(seed), 25)
        trial.demo.account.clock.advance(timedelta(minutes=10))
        children.bring()
        assert children.differences() == []
    start = len(trial.demo.account.requests)
    children.trial.changes(children.source)
    paths = [request.path for request in trial.demo.account.requests[start:]]
    assert not [path for path in paths if path.endswith(("/changelog", "/deals/products"))]


def test_an_import_goes_on_after_every_end_without_asking_again(
    fresh_trial: FreshTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends it: no deal that was read is asked for once more, committed or not."""
    trial = fresh_trial(scale=0.02, burst=0)
    children = Children(trial, "deal_changes")
    trial.windows(children.parents)
    monkeypatch.setattr("pipedrive_orchestration.importing.children.SECONDS_BETWEEN_COMMITS", 0.2)
    moved = [one["id"] for one in trial.demo.account.records("deals") if _is_read(one)]
    start = len(trial.demo.account.requests)
    for event in (4, 9, 14, None):
        with suppress(Interrupted):
            trial.windows(children.source, listener=EndsAt(event))
    assert children.differences() == []
    asked = [one.path for one in trial.demo.account.requests[start:] if "/changelog" in one.path]
    # Those under way when an import ends are lost.
    assert len(moved) <= len(asked) <= len(moved) + 3 * MAX_CHILD_READERS
    start = len(trial.demo.account.requests)
    assert trial.changes(children.source).rows.changed == 0
    assert not [one for one in trial.demo.account.requests[start:] if "/changelog" in one.path]


def _is_read(deal: Record) -> bool:
    return bool(deal["stage_change_time"]) and not deal["is_deleted"] and not deal["is_archived"]


def test_a_day_s_budget_ends_an_import_and_the_next_day_s_goes_on(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.02, burst=0, daily_tokens=400)
    children = Children(trial, "deal_changes")
    trial.windows(children.parents)
    days = 0
    with suppress(BudgetSpent):
        trial.windows(children.source)
    while trial.ask("SELECT count(*) FROM import_ledger.parents") != [(len(trial.rows(children.parents)),)]:
        days += 1
        assert days < 10
        trial.demo.account.clock.advance(timedelta(days=1))
        with suppress(BudgetSpent):
            trial.windows(children.source)
    assert days >= 1
    assert children.differences() == []


def test_children_of_a_segment_go_and_come_with_their_parents(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.02, burst=0)
    is_open = {"conditions": [{"variable": "status", "condition": "in", "values": ["open", "won"]}]}
    sets = Children(trial, "deal_products", filters=is_open)
    history = Children(trial, "deal_changes", filters=is_open)
    trial.windows(sets.parents)
    for each in (sets, history):
        trial.windows(each.source)
        assert each.differences() == []
    both = {row["_parent_id"] for row in trial.rows(sets.source).values()}
    deal = next(one for row in trial.rows(history.source).values() if (one := row["_parent_id"]) in both)

    def states(each: Children) -> set[tuple[Any, ...]]:
        rows = [row for row in trial.rows(each.source).values() if row["_parent_id"] == deal]
        return {(row["_is_current"], row["_removal"], row["_parent_removed"]) for row in rows}

    trial.demo.account.clock.advance(timedelta(minutes=10))
    trial.demo.write("PATCH", f"/api/v2/deals/{deal}", {"status": "lost"})
    for each in (sets, history):
        each.bring()
        assert states(each) == {(False, "left_segment", True)}
        assert each.differences() == []
    trial.demo.account.clock.advance(timedelta(minutes=10))
    trial.demo.write("PATCH", f"/api/v2/deals/{deal}", {"status": "open"})
    for each in (sets, history):
        each.bring()
        assert states(each) == {(True, None, False)}
        assert each.differences() == []


@in_full
def test_a_child_that_came_without_a_sign_of_its_parent_comes_when_parents_are_read_again(
    fresh_trial: FreshTrial,
) -> None:
    trial = fresh_trial(scale=0.02, burst=0)
    children = Children(trial, "deal_products")
    trial.windows(children.parents)
    trial.windows(children.source)
    account = trial.demo.account
    deal = next(row["_parent_id"] for row in trial.rows(children.source).values())
    with account.lock:
        held = account.children.of("deal_products", deal)
        account.children.replace("deal_products", deal, [{**held[0], "comments": "unseen"}, *held[1:]])
    account.clock.advance(timedelta(days=1))
    children.bring()
    assert children.differences()
    account.clock.advance(timedelta(days=7))
    report = children.bring()
    assert children.differences() == []
    assert any("read long ago" in note for note in report.notes)


def test_results_of_goals_count_what_the_account_has(fresh_trial: FreshTrial) -> None:
    """The progress of a goal, computed from the imported deals and activities."""
    trial = fresh_trial(scale=0.02, burst=0)
    children = Children(trial, "goal_results", properties=("id", "type", "assignee", "duration", "title"))
    trial.windows(children.parents)
    trial.windows(children.source)
    account = trial.demo.account
    progress = {row["_parent_id"]: row["progress"] for row in trial.rows(children.source).values()}
    by_title = {row["title"]: progress[one] for one, row in trial.rows(children.parents).items()}
    won = [one for one in account.records("deals") if one["won_time"] and not one["is_deleted"]]
    start, end = (account.records("goals")[0]["duration"][key] for key in ("start", "end"))
    in_time = [one for one in won if start <= one["won_time"][:10] <= end and one["pipeline_id"] == 1]
    assert by_title["New plants"] == round(sum(one["value"] for one in in_time))
    assert len(progress) == len(account.records("goals"))
    assert sum(value > 0 for value in progress.values()) >= 3
    asked = [one.query for one in account.requests if one.path.endswith("/results")]
    assert {(one["period.start"], one["period.end"]) for one in asked} == {(start, end)}


def test_a_preview_shows_children_of_the_parents_changed_last(demo: DemoServer) -> None:
    for object_type in sample(TYPES, "deal_products", "deal_changes", "lead_permitted_users"):
        properties = [prop.key for prop in BUILT_IN[object_type].properties]
        body = PreviewBody.parse({"object_type": object_type, "properties": properties})
        shown = preview(body, connection=Connection.of(demo.url, demo.token))
        assert shown.total_results > 0
        assert all(set(row) == set(properties) for row in shown.rows)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.integers(1, 12)),
        st.tuples(st.just("parents"), st.just(0)),
        st.tuples(st.just("changes"), st.none() | st.integers(1, 12)),
        st.tuples(st.just("window"), st.none() | st.integers(1, 12)),
        st.tuples(st.just("days"), st.sampled_from([1, 8])),
    ),
    min_size=3,
    max_size=10,
)
"""What happens one after the other: so many changes at the account; a pull of the parents; a pull of the
children, to its end or to the given event; days that pass."""


@settings(max_examples=40 if FULL else 1, deadline=None, derandomize=not FULL)
@given(
    object_type=st.sampled_from(["deal_products", "deal_changes"]),
    steps=STEPS,
    seed=st.integers(0, 2**16),
    daily_tokens=st.sampled_from([0, 300]),
)
def test_whatever_happens_in_between_ends_in_the_truth(
    object_type: str, steps: list[tuple[str, int | None]], seed: int, daily_tokens: int
) -> None:
    with (
        running_demo(account_settings(scale=0.005, burst=0, daily_tokens=daily_tokens)) as demo,
        TemporaryDirectory() as folder,
    ):
        trial = Trial(demo, Path(folder))
        children, rng = Children(trial, object_type), Random(seed)
        clock, known = demo.account.clock, set[str]()
        trial.windows(children.parents)
        for what, argument in [*steps, ("days", 1), ("parents", 0)]:
            clock.advance(timedelta(minutes=3))
            with suppress(Interrupted, BudgetSpent):
                if what == "change":
                    children.change(rng, argument or 1)
                elif what == "parents":
                    trial.changes(children.parents)
                elif what == "days":
                    clock.advance(timedelta(days=argument or 1))
                else:
                    pull = trial.changes if what == "changes" else trial.windows
                    pull(children.source, listener=EndsAt(argument))
        for _ in range(9):
            clock.advance(timedelta(days=1))
            with suppress(BudgetSpent):
                trial.changes(children.parents)
                trial.changes(children.source)
                known |= set(trial.rows(children.source))
                if children.differences() == []:
                    break
        assert children.differences() == []
        assert known <= set(trial.rows(children.source))
