"""Random writes as users of an account make them, repeatable by their seed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import httpx

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration_tests.exactness.bodies import BODIES
from pipedrive_orchestration_tests.exactness.custom_values import custom_value

Record = dict[str, Any]
Write = Callable[[str, str, Any], Any]

FAMILIES = (
    "deals", "persons", "organizations", "activities", "products", "leads", "notes", "pipelines", "stages",
    "lead_labels", "activity_types", "filters",
)  # fmt: skip
"""What can be written in the demo account."""

_WEIGHTS = {"pipelines": 1, "stages": 1, "lead_labels": 1, "activity_types": 1, "filters": 1}


def is_live(record: Record) -> bool:
    """Neither deleted nor archived: what a user sees and can edit."""
    return not (record.get("is_deleted") or record.get("is_archived") or record.get("active_flag") is False)


def _is_linked(note: Record) -> bool:
    # What a note was linked to can be gone, and then Pipedrive refuses to change it.
    return any(note[link] is not None for link in ("deal_id", "person_id", "org_id", "lead_id"))


class Churn:
    """A stream of writes.

    Args:
        demo: the account.
        seed: the same seed on the same account gives the same writes.
        families: what is written to.
        write: carries out a write and returns the data of its answer; as the web app does unless given.
    """

    def __init__(
        self, demo: DemoServer, seed: int, families: tuple[str, ...] = FAMILIES, write: Write | None = None
    ) -> None:
        self.writes = 0
        self._account = demo.account
        self._rng = Random(seed)
        self._families = families
        self._weights = [_WEIGHTS.get(family, 4) for family in families]
        self._write = write or demo.write
        self._own: dict[str, set[Any]] = {family: set() for family in FAMILIES}

    def steps(self, count: int) -> None:
        """So many writes, one after the other."""
        for _ in range(count):
            self.step()

    def step(self) -> None:
        """One write; a merge and a deletion can change many records."""
        while True:
            (family,) = self._rng.choices(self._families, self._weights)
            action = self._rng.choice(_ACTIONS[family])
            with self._account.lock:
                target = self._pick(family, action)
            if (action is _create or target is not None) and action(self, family, target):
                self.writes += 1
                return

    @contextmanager
    def running(self, per_second: float) -> Iterator[None]:
        """Writes in a thread of its own for as long as the block lasts, at most at that rate.

        Raises:
            AssertionError: a write was refused; then nothing was tested.
        """
        stop, failures = threading.Event(), []

        def write_on() -> None:
            try:
                while not stop.wait(1 / per_second):
                    self.step()
            except BaseException as error:  # noqa: BLE001 - raised again in the test's thread
                failures.append(error)

        thread = threading.Thread(target=write_on, name="churn")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        assert not failures, failures
        assert self.writes, "nothing was written"

    def _pick(self, family: str, action: Action) -> Record | None:
        candidates = [
            record
            for record in self._account[family]
            if _SUITS.get(action, is_live)(record)
            and (family != "notes" or _is_linked(record))
            and (family not in _OWN_ONLY or action is not _delete or record["id"] in self._own[family])
        ]
        return self._rng.choice(candidates) if candidates else None

    def some(self, family: str) -> Any:
        """Id of any live record of a family, or None."""
        with self._account.lock:
            ids = [record["id"] for record in self._account[family] if is_live(record)]
        return self._rng.choice(ids) if ids else None

    def send(
        self, method: str, family: str, record_id: Any = None, body: Any = None, suffix: str = ""
    ) -> Any:
        """A write to a family's path."""
        path = BUILT_IN[family].path + ("" if record_id is None else f"/{record_id}") + suffix
        return self._write(method, path, body)

    def record(self, family: str, record_id: Any) -> Record:
        """A record that is known to be there."""
        record = self._account.record(family, record_id)
        assert record is not None, f"{family} {record_id} is gone"
        return record

    def values(self, family: str) -> Record:
        """Some custom values, as the body of a write has them."""
        fields = self._account.fields["deals" if family == "leads" else family]
        chosen = [field for field in fields if field["is_custom_field"] and self._rng.random() < 0.25]
        return {field["field_code"]: custom_value(self._rng, self._account, field) for field in chosen}

    def body(self, family: str) -> Record:
        """Some built-in values."""
        return BODIES[family](self.some, self._rng)


Action = Callable[[Churn, str, Any], bool]

_OWN_ONLY = frozenset({"pipelines", "stages", "lead_labels", "activity_types", "filters"})
"""What others depend on is deleted only if the churn itself has made it."""


def _create(churn: Churn, family: str, _target: Any) -> bool:
    required = _REQUIRED[family](churn)
    if required and all(value is None for value in required.values()):
        return False  # nothing is left that it could be linked to
    body = churn.body(family) | required | _custom_part(churn, family)
    record = churn.send("POST", family, body=body)
    churn._own[family].add(record["id"])
    return True


def _change(churn: Churn, family: str, target: Record) -> bool:
    body = churn.body(family)
    if family == "filters":
        body |= _conditions_of(target)
    return _send_change(churn, family, target, body)


def _change_custom(churn: Churn, family: str, target: Record) -> bool:
    return _send_change(churn, family, target, _custom_part(churn, family))


def _send_change(churn: Churn, family: str, target: Record, body: Record) -> bool:
    method = "PUT" if family in {"notes", "activity_types", "filters"} else "PATCH"
    if body:
        churn.send(method, family, target["id"], body)
    return bool(body)


def _custom_part(churn: Churn, family: str) -> Record:
    if family not in {"deals", "persons", "organizations", "products", "leads"}:
        return {}
    values = churn.values(family)
    if family == "leads":
        return {key: part for code, value in values.items() for key, part in _flat(code, value).items()}
    return {"custom_fields": values} if values else {}


def _flat(code: str, value: Any) -> Record:
    """A lead's custom value: its parts lie beside each other (docs/pipedrive-api.md#custom-field-values)."""
    if not isinstance(value, dict):
        return {code: value}
    return {code if part == "value" else f"{code}_{part}": content for part, content in value.items()}


def _delete(churn: Churn, family: str, target: Record) -> bool:
    churn.send("DELETE", family, target["id"])
    return True


def _restore(churn: Churn, family: str, target: Record) -> bool:
    churn.send("PATCH", family, target["id"], {"is_deleted": False})
    return True


def _archive(churn: Churn, family: str, target: Record) -> bool:
    churn.send("PATCH", family, target["id"], {"is_archived": True})
    return True


def _unarchive(churn: Churn, family: str, target: Record) -> bool:
    churn.send("PATCH", family, target["id"], {"is_archived": False})
    return True


def _merge(churn: Churn, family: str, target: Record) -> bool:
    survivor = churn.some(family)
    if survivor is None or survivor == target["id"]:
        return False
    churn._write("PUT", f"/v1/{family}/{target['id']}/merge", {"merge_with_id": survivor})
    return True


_SUITS: dict[Action, Callable[[Record], bool]] = {
    _restore: lambda record: bool(record["is_deleted"]) and not record["is_archived"],
    _unarchive: lambda record: bool(record["is_archived"]) and not record.get("is_deleted"),
}

_WRITTEN: tuple[Action, ...] = (_create, _change, _change, _delete)
_ACTIONS: dict[str, tuple[Action, ...]] = {
    "deals": (*_WRITTEN, _change_custom, _restore, _archive, _unarchive, _merge),
    "persons": (*_WRITTEN, _change_custom, _merge),
    "organizations": (*_WRITTEN, _change_custom, _merge),
    "activities": _WRITTEN,
    "products": (*_WRITTEN, _change_custom),
    "leads": (*_WRITTEN, _change_custom, _archive, _unarchive),
    "notes": _WRITTEN,
    **dict.fromkeys(_OWN_ONLY, _WRITTEN),
}


_REQUIRED: dict[str, Callable[[Churn], Record]] = {family: lambda _churn: {} for family in FAMILIES} | {
    "leads": lambda churn: {"person_id": churn.some("persons")},
    "notes": lambda churn: {"person_id": churn.some("persons"), "deal_id": churn.some("deals")},
    "stages": lambda churn: {"pipeline_id": churn.some("pipelines")},
    "filters": lambda churn: _conditions_of(churn.record("filters", 1)) | {"type": "deals"},
}


def _conditions_of(stored: Record) -> Record:
    """A filter's conditions as they are written: without the key that only answers have.

    See docs/pipedrive-api.md#filters.
    """
    groups = [
        {
            "glue": group["glue"],
            "conditions": [
                {key: value for key, value in condition.items() if key != "json_value_flag"}
                for condition in group["conditions"]
            ],
        }
        for group in stored["conditions"]["conditions"]
    ]
    return {"conditions": {"glue": "and", "conditions": groups}}


@contextmanager
def over_http(demo: DemoServer) -> Iterator[Write]:
    """Writes as another program would make them: with the token, over HTTP."""
    with httpx.Client(
        base_url=demo.url, headers={"x-api-token": demo.token}, timeout=30, verify=False
    ) as client:

        def write(method: str, path: str, body: Any = None) -> Any:
            answer = client.request(method, path, json=body)
            assert answer.status_code in {200, 201}, f"{method} {path} {body}: {answer.text}"
            return answer.json()["data"]

        yield write
