"""``show``: a source with its state, its last import and its body."""

from __future__ import annotations

from collections.abc import Iterator

import yaml
from rich.table import Table
from rich.text import Text

from pipedrive_orchestration.cli.arguments import AsJson, Slug
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.outcomes import Outcome, outcomes_of
from pipedrive_orchestration.cli.output import err, out, print_json
from pipedrive_orchestration.cli.states import minute, rows_as_json, state_as_json, status_text
from pipedrive_orchestration.services.deployment import deployed
from pipedrive_orchestration.services.status import SourceState, state_of
from pipedrive_orchestration.sources.filter_sentence import sentence_of
from pipedrive_orchestration.warehouse.tables import LABELED, ROWS


def show(slug: Slug, *, json: AsJson = False) -> None:
    """Show a source: its status, its tables, its last import, and its body as a file would hold it.

    Try:

        pipedrive-orchestration show all_deals
    """
    with explained(err):
        environment = Environment.read()
        with deployed(environment.settings) as deployment:
            source = deployment.store.load().find(slug)
            state = state_of(deployment, source)
        (outcome,) = outcomes_of(environment.warehouse, {slug: ""})
    if json:
        print_json(
            state_as_json(state)
            | rows_as_json(outcome)
            | {"table": f"{ROWS}.{slug}", "labeled_view": f"{LABELED}.{slug}", "body": source.body}
        )
        return
    facts = Table(show_header=False, box=None)
    for name, value in _facts(state, outcome):
        facts.add_row(Text(name, style="dim"), value)
    out.print(facts)
    body = yaml.safe_dump(source.body, sort_keys=False, allow_unicode=True, width=100)
    out.print(f"\n{body}", highlight=False, end="")


def _facts(state: SourceState, outcome: Outcome) -> Iterator[tuple[str, Text | str]]:
    source, entry = state.source, outcome.entry
    yield "name", Text(source.name)
    yield "id", str(source.id)
    yield "created", f"{minute(source.created_at)} UTC"
    yield "status", status_text(state)
    if source.filters:
        yield (
            "only those",
            Text(f"of which {sentence_of(source.filters, source.labels) or 'anything is true'}"),
        )
    if state.hold:
        yield "waits", Text(str(state.hold))
    if state.next_tick:
        yield "next tick", f"{minute(state.next_tick)} UTC"
    yield "table", f"{ROWS}.{source.slug}, under labels {LABELED}.{source.slug}"
    if entry:
        yield "rows", f"{outcome.current:,} current"
        if outcome.quarantined:
            yield "set aside", f"{outcome.quarantined:,} values; import_ledger.quarantine says which and why"
        yield (
            "last import",
            f"{entry.pull}, {minute(entry.finished_at)} UTC, {entry.tokens:,} tokens, {entry.seconds:.1f} s",
        )
        if entry.is_skipped:
            yield "skipped", Text((entry.note or "").removeprefix("skipped: "))
    if outcome.watermark:
        yield "watermark", f"{outcome.watermark:%Y-%m-%d %H:%M:%S} UTC"
