"""The action ``http``: rows go to a URL as JSON, and columns are filled from the answer."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import duckdb
import httpx

from pipedrive_orchestration.pipedrive.rate_limit import retry_after
from pipedrive_orchestration.warehouse.sql import literal, quoted
from pipedrive_orchestration.workflows.actions.errors import ActionError
from pipedrive_orchestration.workflows.actions.reach import Reach
from pipedrive_orchestration.workflows.inputs import Output
from pipedrive_orchestration.workflows.model import HttpAction, Workflow
from pipedrive_orchestration.workflows.queue import fail
from pipedrive_orchestration.workflows.tables import SCHEMA
from pipedrive_orchestration.workflows.values import REASONS, is_rejected, value_of

MOST_ANSWER_BYTES = 20 * 1024 * 1024
"""How long an answer may be, unpacked."""

LONGEST_WAIT_SECONDS = 10.0
"""Longest pause between two tries of a request, whatever the answer asks for."""

_ANSWER = '{"rows": [{"run_id": "VARCHAR", "error": "VARCHAR", "outputs": "JSON"}]}'


def request_of(
    connection: duckdb.DuckDBPyConnection, workflow: Workflow, action: HttpAction, claim_id: str
) -> tuple[bytes, str] | None:
    """The body for the rows of a claim and its idempotency key, or None where no row is left."""
    inputs, outputs = _object_of(workflow.inputs), _object_of(workflow.outputs)
    found = connection.execute(
        f"""
        SELECT json_object('workflow', $workflow, 'action', $action, 'rows', to_json(list(json_object(
                'run_id', r.run_id::VARCHAR, 'row_id', r.row_id::VARCHAR,
                'idempotency_key', r.run_id::VARCHAR || '/' || $action,
                'inputs', {inputs}, 'outputs', {outputs}
            ) ORDER BY r.row_seq, r.run_id)))::VARCHAR,
            md5($action || string_agg(r.run_id::VARCHAR, ',' ORDER BY r.run_id)), count(*)
        FROM workflows._runs AS r JOIN {quoted(SCHEMA, workflow.slug)} AS t USING (row_id)
        WHERE r.claimed_by = $claim AND r.status = 'running'
        """,
        {"workflow": workflow.slug, "action": action.name, "claim": claim_id},
    ).fetchone()
    return (found[0].encode(), found[1]) if found and found[2] else None


def _object_of(columns: Sequence[Output]) -> str:
    members = ", ".join(f"{literal(column.key)}, t.{quoted(column.key)}" for column in columns)
    return f"json_object({members})"


def post(action: HttpAction, body: bytes, key: str, reach: Reach) -> str:
    """Send a body, again where that may help; the same key tells the receiver that it is the same.

    Raises:
        ActionError: there is no secret, no answer, one that refuses, or a host that may not be posted to.
    """
    url = httpx.URL(action.url)
    headers = {
        "content-type": "application/json",
        "user-agent": "pipedrive-orchestration",
        "idempotency-key": key,
        **_authorization(action, reach),
        # The connection is made to an address, so that it is the one that was looked at.
        "host": url.netloc.decode("ascii"),
    }
    reason = ""
    sent_to = url.copy_with(host=_address(action, url, reach))
    name = {"sni_hostname": url.raw_host.decode("ascii")}
    # Proxies of the environment would do the looking-up themselves.
    with httpx.Client(
        timeout=action.timeout, headers=headers, follow_redirects=False, trust_env=False
    ) as client:
        for number in range(action.tries):
            wait = min(2.0**number, LONGEST_WAIT_SECONDS) * random.uniform(0.25, 0.5)  # noqa: S311 - spreads tries, guards nothing
            try:
                until = time.monotonic() + action.timeout
                with client.stream("POST", sent_to, content=body, extensions=name) as response:
                    answer = _bounded(response, until)
            except httpx.RequestError as error:
                reason = f"no answer ({type(error).__name__})"
            else:
                if answer is None:
                    reason = f"an answer of more than {MOST_ANSWER_BYTES // 2**20} MB"
                    break
                if response.is_success:
                    return answer
                reason = f"the answer was {response.status_code}"
                if response.status_code != httpx.codes.TOO_MANY_REQUESTS and not response.is_server_error:
                    break
                wait = _wanted_wait(response, wait)
            if number + 1 < action.tries:
                time.sleep(wait)
    raise ActionError(f"{action.name}: {reason} from {url.host}.")


def _bounded(response: httpx.Response, until: float) -> str | None:
    """The text of an answer; None where it is too long, packed or not.

    Raises:
        httpx.ReadTimeout: it has not come to its end by then, however little of it comes at a time.
    """
    body = bytearray()
    for part in response.iter_bytes():
        body += part
        if len(body) > MOST_ANSWER_BYTES:
            return None
        if time.monotonic() > until:
            raise httpx.ReadTimeout("the answer has no end", request=response.request)
    # JSON is UTF-8, whatever a header says.
    return body.decode("utf-8", errors="replace")


def _address(action: HttpAction, url: httpx.URL, reach: Reach) -> str:
    try:
        return reach.address_of(url.host, url.port or (443 if url.scheme == "https" else 80))
    except ActionError as error:
        raise ActionError(f"{action.name}: {error}") from None


def _authorization(action: HttpAction, reach: Reach) -> dict[str, str]:
    if action.secret is None:
        return {}
    secret = reach.secrets.get(action.secret, "").strip()
    if not secret:
        raise ActionError(f"{action.name}: set the environment variable {action.secret} to the secret.")
    if not secret.isascii() or not secret.isprintable():
        raise ActionError(f"{action.name}: {action.secret} holds characters that no header can carry.")
    return {"authorization": f"Bearer {secret}"}


def _wanted_wait(response: httpx.Response, usual: float) -> float:
    wanted = retry_after(response.headers)
    return usual if wanted is None else min(wanted, LONGEST_WAIT_SECONDS)


def take_answer(
    connection: duckdb.DuckDBPyConnection, workflow: Workflow, action: HttpAction, claim_id: str, answer: str
) -> int:
    """Fill the outputs of the rows that the answer names, and fail those it calls wrong.

    Args:
        connection: a transaction.
        workflow: whose rows.
        action: what was done.
        claim_id: the claim that was sent.
        answer: nothing, or ``{"rows": [{"run_id", "outputs": {...}, "error"}]}``; rows it does not name
            are done.

    Returns:
        How many runs failed.

    Raises:
        ActionError: outputs are wanted and this is not JSON.
    """
    valid = connection.execute("SELECT json_valid($answer)", {"answer": answer}).fetchone() == (True,)
    if not valid and action.outputs:
        raise ActionError(f"{action.name}: the answer is not JSON.")
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE answered AS
        WITH answers AS (SELECT unnest(json_transform($answer, {literal(_ANSWER)}).rows) AS answer)
        SELECT r.run_id, r.row_id, answer.error, answer.outputs
        FROM answers JOIN workflows._runs AS r ON r.run_id = TRY_CAST(answer.run_id AS UUID)
        WHERE r.claimed_by = $claim AND r.status = 'running'
        """,
        {"answer": answer if valid else "{}", "claim": claim_id},
    )
    raws = {output.key: f"outputs ->> {literal('$.' + output.key)}" for output in action.outputs}
    wrong = [
        f"WHEN {is_rejected(raw, value_of(raw, output.type))} THEN "
        f"{literal(f'{action.name}: the output {output.key} {REASONS[output.type][1]}.')}"
        for output, raw in zip(action.outputs, raws.values(), strict=True)
    ]
    named = f"{literal(action.name + ': ')} || left(error::VARCHAR, 500)"
    error = f"CASE WHEN error IS NOT NULL THEN {named} {' '.join(wrong)} END"
    if action.outputs:
        assignments = ", ".join(
            f"{quoted(output.key)} = {value_of(f'(a.{raws[output.key]})', output.type)}"
            for output in action.outputs
        )
        connection.execute(
            f"UPDATE {quoted(SCHEMA, workflow.slug)} AS t SET {assignments} FROM answered AS a "
            f"WHERE t.row_id = a.row_id AND ({error}) IS NULL"
        )
    failures = f"SELECT run_id, {error} AS error FROM answered WHERE ({error}) IS NOT NULL"
    return fail(connection, workflow, claim_id, failures, "")
