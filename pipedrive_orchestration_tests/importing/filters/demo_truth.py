"""Which records of a demo account a filter selects, by the plain evaluation."""

from __future__ import annotations

from typing import Any

from pipedrive_orchestration.demo import Account
from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.exactness.truth import is_archived, is_deleted, kinds_of, records_of
from pipedrive_orchestration_tests.importing.filters.evaluation import Evaluation, Known

ONE_WINDOW = {"partitions_start": f"{PRESENT:%Y-%m}"}
"""Options of a source whose first window holds everything before this month."""


def members(account: Account, object_type: str, filters: dict[str, Any]) -> set[str]:
    """Ids, as text, of the records that are neither deleted nor archived and satisfy the filter."""
    kinds = kinds_of(account, object_type)
    fields = {
        field["field_code"]: {option["id"]: option["label"] for option in field["options"] or ()}
        for field in account.fields.get(object_type) or ()
    }
    evaluation = Evaluation(
        {key: Known(kind.field_type, fields.get(key, {})) for key, kind in kinds.items()}, account.clock.now()
    )
    return {
        record_id
        for record_id, record in records_of(account, object_type).items()
        if not is_deleted(object_type, record) and not is_archived(record)
        if evaluation.matches(filters, {**record, **(record.get("custom_fields") or {})})
    }
