"""States of sources, for a person and for a program."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.text import Text

from pipedrive_orchestration.cli.outcomes import Outcome, as_json
from pipedrive_orchestration.services.status import SourceState, Status

_STYLES = {
    Status.ACTIVE: "green",
    Status.PAUSED: "yellow",
    Status.PAUSED_OUT_OF_CREDITS: "red",
    Status.EXPIRED: "yellow",
    Status.DELETED: "dim",
}


def status_text(state: SourceState) -> Text:
    """The status in its colour."""
    importing = ", importing" if state.is_importing else ""
    return Text(f"{state.status}{importing}", style=_STYLES.get(state.status, ""))


def minute(instant: datetime | None) -> str:
    """An instant to the minute; empty where there is none."""
    return f"{instant:%Y-%m-%d %H:%M}" if instant else ""


def state_as_json(state: SourceState) -> dict[str, Any]:
    """A state as a program reads it; the keys are stable."""
    source = state.source
    hold = state.hold
    return {
        "source": source.slug,
        "source_instance_id": str(source.id),
        "name": source.name,
        "object_type": source.object_type,
        "pull_mode": source.pull_mode,
        "created_at": source.created_at,
        "status": state.status.value,
        "next_tick": state.next_tick,
        "is_importing": state.is_importing,
        "hold": hold
        and {"estimated_tokens": hold.estimated_tokens, "budget": hold.budget, "until": hold.until},
    }


def rows_as_json(outcome: Outcome) -> dict[str, Any]:
    """A source's rows and last import as a program reads them; the keys are stable."""
    shown: Mapping[str, Any] = as_json(outcome, None)
    imported = {key: value for key, value in shown.items() if key not in ("source", "state", "watermark")}
    if outcome.entry:
        imported["finished_at"] = outcome.entry.finished_at
    return {
        "rows": outcome.current,
        "quarantined": outcome.quarantined,
        "watermark": outcome.watermark,
        "last_import": imported or None,
    }
