"""Writes of one demo account: planned, applied and undone."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from pipedrive_orchestration.demo import DemoServer, running_demo
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.sources import Options, Source
from pipedrive_orchestration.writing import ledger
from pipedrive_orchestration.writing.apply import ApplyReport, apply_plan
from pipedrive_orchestration.writing.ledger import LedgerRow, Plan
from pipedrive_orchestration.writing.model import Write, WriteFile
from pipedrive_orchestration.writing.plan import Planning, make_plan
from pipedrive_orchestration.writing.undo import plan_undo
from pipedrive_orchestration_tests.chaos.sizes import FULL
from pipedrive_orchestration_tests.conftest import account_settings
from pipedrive_orchestration_tests.exactness.trial import Trial

Record = dict[str, Any]


class WriteTrial:
    """An account, its imported tables, and writes between them.

    Args:
        demo: the account.
        folder: where the warehouse is.
        object_types: those that are imported with all properties.
        only: others with a few, of which all are imported with `make chaos`: a wide table takes its time.

    Attributes:
        trial: the imports.
        sources: what is imported.
    """

    def __init__(
        self,
        demo: DemoServer,
        folder: Path,
        *object_types: str,
        only: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        self.demo = demo
        self.account = demo.account
        self.trial = Trial(demo, folder)
        self.sources: tuple[Source, ...] = (
            *map(self._source, object_types),
            *(self._source(name, properties) for name, properties in only.items()),
        )
        for source in self.sources:
            self.trial.windows(source)
        self.planning = Planning(
            folder,
            self.trial.connection,
            self.trial.warehouse,
            self.trial.staging,
            self.sources,
            self.trial.clock,
        )

    def _source(self, name: str, properties: Sequence[str] = ()) -> Source:
        parent = BUILT_IN[name].parent
        if parent is not None:
            return self.trial.whole_source(name, parents=parent.type.name)
        options = Options(partitions_start="2026-05")
        if FULL or not properties:
            return self.trial.whole_source(name, options=options)
        return self.trial.source(name, properties=("id", "update_time", *properties), options=options)

    def write(self, object_type: str = "persons", **body: Any) -> Write:
        """A write of rows in ``rows.csv``."""
        usual: Record = {
            "name": "A write",
            "object_type": object_type,
            "operation": "update",
            "match": {"id": "id"},
            "fields": {"name": "name"},
            "limits": {"deletes": 1000, "tokens": 100_000},
        }
        if not body.keys() & {"rows", "workflow"}:
            usual["file"] = "rows.csv"
        return Write.of("a_write", WriteFile.parse(usual | body))

    def rows(self, *rows: Mapping[str, Any]) -> None:
        """Write the file of rows."""
        with (self.planning.project / "rows.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    def plan(self, write: Write, **how: Any) -> Plan:
        """A plan of a write."""
        return make_plan(write, self.planning, **how)

    def apply(self, plan: Plan, write: Write | None = None, **how: Any) -> ApplyReport:
        """Apply a plan."""
        return apply_plan(plan.plan_id, self.planning, write or self._written(plan), settling=0, **how)

    def undo(self, plan: Plan) -> Plan:
        """A plan that takes another back."""
        return plan_undo(plan.plan_id, self.planning)

    def at(self, **changes: Any) -> WriteTrial:
        """The same with other planning."""
        other = object.__new__(WriteTrial)
        other.__dict__.update(self.__dict__)
        other.planning = replace(self.planning, **changes)
        return other

    def _written(self, plan: Plan) -> Write:
        body = json.loads(plan.definition or "{}")
        if not body:
            return self.write()
        body |= {"name": plan.name}
        return Write.of(
            plan.write, WriteFile.parse({k: v for k, v in body.items() if k not in ("id", "slug")})
        )

    def ledger(self, plan: Plan) -> list[LedgerRow]:
        """The rows of a plan."""
        with self.trial.warehouse.reading() as connection:
            return ledger.rows_of(connection, plan.plan_id)

    def live(self, name: str, count: int) -> list[Record]:
        """Some records that are neither deleted nor archived."""
        found = [
            one
            for one in self.account.records(name)
            if not one.get("is_deleted")
            and not one.get("is_archived")
            and one.get("active_flag") is not False
        ]
        return found[:count]

    def record(self, name: str, record_id: Any) -> Record:
        """A record that is known to be there."""
        found = self.account.record(name, record_id)
        assert found is not None, f"{name} {record_id} is gone"
        return found

    def writes(self) -> Sequence[tuple[str, str]]:
        """The writes that the account has answered."""
        return [(one.method, one.path) for one in self.account.requests if one.method != "GET"]


@contextmanager
def write_trial(
    *object_types: str, only: Mapping[str, Sequence[str]] = MappingProxyType({}), **settings: Any
) -> Iterator[WriteTrial]:
    """A very small account of its own with these settings, imported as `WriteTrial` is told."""
    with (
        running_demo(account_settings(**{"scale": 0.005, **settings})) as demo,
        TemporaryDirectory() as folder,
    ):
        yield WriteTrial(demo, Path(folder), *object_types, only=only)
