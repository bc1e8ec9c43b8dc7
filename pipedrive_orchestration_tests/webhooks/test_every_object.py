"""Events of every object and action of Pipedrive's webhooks v2: tables equal the account without a pull."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.webhooks.events import OBJECTS
from pipedrive_orchestration.webhooks.subscriptions import objects_of
from pipedrive_orchestration_tests.chaos.sizes import sample
from pipedrive_orchestration_tests.exactness.test_children import Children
from pipedrive_orchestration_tests.exactness.trial import Trial, small_trial
from pipedrive_orchestration_tests.webhooks.wire import Wire

OFFICIAL = {
    "activity", "board", "deal", "deal_installment", "deal_product", "lead", "note", "organization", "person",
    "phase", "pipeline", "product", "project", "stage", "task", "user",
}  # fmt: skip
"""Of https://pipedrive.readme.io/docs/guide-for-webhooks-v2."""

ALONE = [name for name in OBJECTS.values() if BUILT_IN[name].parent is None]
"""Object types whose records belong to no others."""

NEVER_DELETED = ("users",)
"""Of which only is said that they are inactive."""

AS_DELETED: dict[str, dict[str, Any]] = {"projects": {"status": "deleted"}, "notes": {"active_flag": False}}
"""What deleted records say of themselves that have no ``is_deleted`` and stay."""

NAMES = ("title", "name", "subject", "content", "comments", "description")
"""One of them is a property of every record, and any text will do for it."""


@pytest.fixture(scope="module")
def trial() -> Iterator[Trial]:
    with small_trial(100) as made:
        yield made


def test_all_objects_of_the_schema_are_known(trial: Trial) -> None:
    assert set(OBJECTS) == OFFICIAL
    assert objects_of([trial.whole_source(name) for name in OBJECTS.values() if not BUILT_IN[name].parent])


@pytest.mark.parametrize("object_type", sample(ALONE, "projects"))
def test_what_is_made_changed_and_deleted_is_so_in_the_table(trial: Trial, object_type: str) -> None:
    account, source = trial.demo.account, trial.whole_source(object_type)
    trial.windows(source)
    trial.changes(source)
    wire = Wire(trial, [source])
    like = next(record for record in account.records(object_type) if is_live(object_type, record))
    made = like | {"id": account.new_id(object_type)}
    for step in (
        made,
        changed(made),
        changed(like),
        *([] if object_type in NEVER_DELETED else [deleted(object_type, made)]),
    ):
        account.clock.advance(timedelta(seconds=10))
        with account.lock:
            if step is None:
                account[object_type].remove(made["id"])
            else:
                account.save(object_type, step)
            account.webhooks.settle()
        wire.deliver()
        assert not wire.under_way
        merged = wire.merge()
        assert (merged.failures, merged.unusable) == ({}, 0)
        assert [one.source.slug for one in merged.sources] == [object_type]
        assert trial.differences(source) == []


@pytest.mark.parametrize("object_type", sample(("deal_products", "deal_installments"), "deal_products"))
def test_what_belongs_to_a_deal_comes_by_an_event_of_its_own(trial: Trial, object_type: str) -> None:
    account, children = trial.demo.account, Children(trial, object_type, slug=f"deals_of_{object_type}")
    trial.windows(children.parents)
    trial.windows(children.source)
    # Children go last, whatever the order.
    wire = Wire(trial, [children.source, children.parents])
    deal = next(
        record for record in account.records("deals") if is_live("deals", record) and record["products_count"]
    )
    held: list[dict[str, Any]] = account.children.of(object_type, deal["id"])
    assert held
    made = held[0] | {"id": 10**9 + 1}
    for now in ([*held, made], [changed(held[0]), *held[1:], made], [*held[1:], made]):
        account.clock.advance(timedelta(seconds=10))
        with account.lock:
            account.children.replace(object_type, deal["id"], now)
        asked = len(account.requests)
        wire.deliver()
        merged = wire.merge()
        assert (merged.failures, [one.source.slug for one in merged.sources]) == ({}, [children.source.slug])
        assert children.differences() == []
        read = [one.query["deal_ids"] for one in account.requests[asked:] if "deal_ids" in one.query]
        assert read == [str(deal["id"])]


def test_a_deal_that_changed_by_an_event_has_its_children_read_with_their_next_tick(trial: Trial) -> None:
    children = Children(trial, "deal_changes", slug="moving_deals")
    trial.windows(children.parents)
    trial.windows(children.source)
    wire = Wire(trial, [children.parents, children.source])
    account = trial.demo.account
    deal = next(
        record
        for record in account.records("deals")
        if record["stage_change_time"] and is_live("deals", record)
    )
    account.clock.advance(timedelta(seconds=10))
    trial.demo.write("PATCH", f"/api/v2/deals/{deal['id']}", {"title": "Another"})
    wire.deliver()
    assert [one.source.slug for one in wire.merge().sources] == [children.parents.slug]
    asked = len(account.requests)
    trial.changes(children.source)
    paths = [one.path for one in account.requests[asked:] if one.path.endswith("/changelog")]
    assert paths == [f"/v1/deals/{deal['id']}/changelog"]
    assert children.differences() == []


def test_what_comes_as_a_whole_is_asked_for_no_more_than_every_few_seconds(trial: Trial) -> None:
    account, source = trial.demo.account, trial.whole_source("boards")
    trial.windows(source)
    wire = Wire(trial, [source])
    (board, *_) = account.records("boards")
    asked = len(account.requests)
    for number in range(4):
        account.clock.advance(timedelta(seconds=1))
        with account.lock:
            account.save("boards", board | {"name": f"Board {number}"})
            account.webhooks.settle()
        wire.deliver()
        wire.merge()
    assert wire.inbox.files()
    account.clock.advance(timedelta(seconds=5))
    wire.merge()
    assert not wire.inbox.files()
    assert trial.differences(source) == []
    assert sum(one.path == "/api/v2/boards" for one in account.requests[asked:]) == 2


def changed(record: dict[str, Any]) -> dict[str, Any]:
    name = next(name for name in NAMES if name in record)
    return record | {name: "Changed by an event"}


def deleted(object_type: str, record: dict[str, Any]) -> dict[str, Any] | None:
    """The record as it is when it is deleted; None where nothing is left of it."""
    if "is_deleted" in record:
        return record | {"is_deleted": True}
    return record | AS_DELETED[object_type] if object_type in AS_DELETED else None


def is_live(object_type: str, record: dict[str, Any]) -> bool:
    return not (
        record.get("is_deleted")
        or record.get("is_archived")
        or record.get("archive_time")
        or record.get("active_flag") is False
        or (object_type == "projects" and record["status"] == "deleted")
    )
