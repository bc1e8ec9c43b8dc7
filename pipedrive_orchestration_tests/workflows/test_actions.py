from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.workflows import Workflow
from pipedrive_orchestration.workflows.actions import sql as sql_actions
from pipedrive_orchestration.workflows.actions.reach import Reach
from pipedrive_orchestration.workflows.actions.runner import ActionsReport, run_actions
from pipedrive_orchestration.workflows.sync import run_sync
from pipedrive_orchestration_tests.workflows.bodies import source, workflow
from pipedrive_orchestration_tests.workflows.receiver import Posted, Receiver, receiving
from pipedrive_orchestration_tests.workflows.tables import SourceTable, ask, runs

DOMAIN = {
    "type": "sql",
    "name": "domain",
    "expression": "split_part(email, '@', 2)",
    "output": {"name": "domain"},
}
SECRET = "s3cr3t-t0ken"
SCORE_SECRET, POST_SECRET = "PIPEDRIVE_SECRET_SCORE", "PIPEDRIVE_SECRET_POST"


def sql(expression: str, kind: str = "string", name: str = "made") -> dict[str, Any]:
    return {"type": "sql", "name": name, "expression": expression, "output": {"name": name, "type": kind}}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def prepared(warehouse: Warehouse, people: SourceTable, *actions: dict[str, Any], count: int = 4) -> Workflow:
    """A workflow with as many rows queued."""
    people.put(*range(1, count + 1))
    made = workflow(actions=list(actions))
    run_sync(warehouse, made, source())
    return made


def outputs(warehouse: Warehouse, column: str = "made") -> list[tuple[Any, ...]]:
    return ask(
        warehouse,
        f'SELECT _record_id::INTEGER, "{column}", row_status FROM workflows.outreach ORDER BY row_seq',
    )


def run(
    warehouse: Warehouse, made: Workflow, *, private_hosts: str = "127.0.0.1", **variables: str
) -> ActionsReport:
    return run_actions(warehouse, made, Reach.of({"PIPEDRIVE_PRIVATE_HOSTS": private_hosts, **variables}))


def make_due(warehouse: Warehouse) -> None:
    with warehouse.writing() as connection:
        connection.execute("UPDATE workflows._runs SET available_at = now()")


def test_expressions_fill_columns_one_after_the_other(warehouse: Warehouse, people: SourceTable) -> None:
    made = prepared(warehouse, people, DOMAIN, sql("len(domain) + row_number", "number"), count=2)
    report = run(warehouse, made)
    assert report.error is not None
    made = workflow(actions=[DOMAIN, sql("len(domain)", "number")])
    make_due(warehouse)
    report = run(warehouse, made)
    assert (report.completed, report.failed, report.waiting, report.error) == (2, 0, 0, None)
    assert outputs(warehouse, "domain") == [(1, "example.com", "complete"), (2, "example.com", "complete")]
    assert outputs(warehouse) == [(1, 11.0, "complete"), (2, 11.0, "complete")]


def test_a_row_for_which_an_expression_fails_fails_alone(warehouse: Warehouse, people: SourceTable) -> None:
    people.put(10, name="7")
    people.put(11, name=None)
    made = prepared(warehouse, people, sql("first_name::INTEGER * 2", "number"), count=2)
    report = run(warehouse, made)
    assert (report.completed, report.failed, report.waiting) == (2, 2, 2)
    assert outputs(warehouse) == [
        (1, None, "failed"), (2, None, "failed"), (10, 14.0, "complete"), (11, None, "complete")
    ]  # fmt: skip
    assert ask(warehouse, "SELECT DISTINCT error FROM workflows._runs WHERE status = 'failed'") == [
        ("made: the expression cannot be evaluated for the values of this row.",)
    ]
    assert run(warehouse, made).completed == 0, "not before its time"
    made = workflow(actions=[sql("0", "number")])
    make_due(warehouse)
    assert run(warehouse, made).completed == 2
    assert [status for _, _, status in outputs(warehouse)] == ["complete"] * 4


@pytest.mark.parametrize(
    "expression",
    ["nothing", "(SELECT count(*) FROM pipedrive.people)", "random()", "count(*)", "_record_id", "run_id"],
)
def test_an_expression_sees_inputs_and_outputs_and_nothing_else(
    warehouse: Warehouse, people: SourceTable, expression: str
) -> None:
    report = run(warehouse, prepared(warehouse, people, sql(expression), count=2))
    assert report.error is not None
    assert report.error.startswith("made: ")
    assert (report.completed, report.failed) == (0, 2)


def test_an_action_that_fails_for_all_leaves_the_rest_of_the_queue_alone(
    warehouse: Warehouse, people: SourceTable, receiver: Receiver
) -> None:
    receiver.answer = lambda _posted, _number: (403, None)
    post = {"type": "http", "name": "post", "url": receiver.url, "batch_size": 2}
    report = run(warehouse, prepared(warehouse, people, post, count=5))
    assert (report.completed, report.failed, report.waiting) == (0, 2, 5)
    assert report.error == "post: the answer was 403 from 127.0.0.1."
    assert len(receiver.posted) == 1
    assert [status for _, _, status in runs(warehouse)] == ["failed", "failed", "queued", "queued", "queued"]


def test_a_workflow_without_actions_leaves_its_queue_to_others(
    warehouse: Warehouse, people: SourceTable
) -> None:
    report = run(warehouse, prepared(warehouse, people))
    assert (report.completed, report.waiting) == (0, 4)
    assert {status for _, _, status in runs(warehouse)} == {"queued"}


def test_rows_are_posted_in_batches_and_answers_fill_columns(
    warehouse: Warehouse, people: SourceTable, receiver: Receiver
) -> None:
    def answer(posted: Posted, _number: int) -> tuple[int, Any]:
        scored = [
            {"run_id": row["run_id"], "outputs": {"score": f" {len(row['inputs']['email'])} ", "other": 1}}
            for row in posted.body["rows"]
        ]
        return 200, {"rows": scored}

    receiver.answer = answer
    post = {
        "type": "http", "name": "score", "url": receiver.url, "secret": SCORE_SECRET, "batch_size": 3,
        "outputs": [{"name": "score", "type": "number"}, {"name": "other"}],
    }  # fmt: skip
    made = prepared(warehouse, people, DOMAIN, post)
    report = run(warehouse, made, PIPEDRIVE_SECRET_SCORE=SECRET)
    assert (report.completed, report.failed, report.error) == (4, 0, None)
    assert outputs(warehouse, "score") == [(number, 14.0, "complete") for number in range(1, 5)]
    assert outputs(warehouse, "other")[0] == (1, "1", "complete")
    assert [len(posted.body["rows"]) for posted in receiver.posted] == [3, 1]
    first = receiver.posted[0]
    assert first.headers["authorization"] == f"Bearer {SECRET}"
    assert first.headers["content-type"] == "application/json"
    assert (first.body["workflow"], first.body["action"]) == ("outreach", "score")
    row = first.body["rows"][0]
    assert row["inputs"] == {"email": "p1@example.com", "first_name": "Person 1"}
    assert row["outputs"] == {"domain": "example.com", "score": None, "other": None}
    assert row["idempotency_key"] == f"{row['run_id']}/score"


def test_keys_are_the_same_for_every_try(
    warehouse: Warehouse, people: SourceTable, receiver: Receiver
) -> None:
    receiver.answer = lambda _posted, number: (503 if number < 6 else 200, b"not JSON, and not looked at")
    made = prepared(warehouse, people, {"type": "http", "name": "post", "url": receiver.url})
    report = run(warehouse, made)
    assert report.error == "post: the answer was 503 from 127.0.0.1."
    assert len(receiver.posted) == 3
    make_due(warehouse)
    assert run(warehouse, made).completed == 4
    assert len(receiver.posted) == 6
    assert len({posted.headers["idempotency-key"] for posted in receiver.posted}) == 1
    assert len({str(posted.body) for posted in receiver.posted}) == 1


def test_rows_that_the_answer_calls_wrong_fail_alone(
    warehouse: Warehouse, people: SourceTable, receiver: Receiver
) -> None:
    def answer(posted: Posted, _number: int) -> tuple[int, Any]:
        one, two, three, _ = posted.body["rows"]
        return 200, {
            "rows": [
                {"run_id": one["run_id"], "error": "unknown address"},
                {"run_id": two["run_id"], "outputs": {"score": "high"}},
                {"run_id": three["run_id"], "outputs": {"score": 3}},
                {"run_id": "00000000-0000-0000-0000-000000000000", "outputs": {"score": 9}},
                {"run_id": "nonsense", "outputs": {"score": 9}},
            ]
        }

    receiver.answer = answer
    post = {
        "type": "http", "name": "score", "url": receiver.url, "outputs": [{"name": "score", "type": "number"}]
    }  # fmt: skip
    report = run(warehouse, prepared(warehouse, people, post))
    assert (report.completed, report.failed) == (2, 2)
    assert outputs(warehouse, "score") == [
        (1, None, "failed"), (2, None, "failed"), (3, 3.0, "complete"), (4, None, "complete")
    ]  # fmt: skip
    errors = ask(warehouse, "SELECT error FROM workflows._runs WHERE error IS NOT NULL ORDER BY row_seq")
    assert errors == [("score: unknown address",), ("score: the output score is not a number.",)]


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"3", b'{"rows": 1}', b'{"rows": [1, null]}', b""])
def test_an_answer_of_another_shape_breaks_nothing(
    warehouse: Warehouse, people: SourceTable, receiver: Receiver, answer: bytes
) -> None:
    receiver.answer = lambda _posted, _number: (200, answer)
    post = {"type": "http", "name": "post", "url": receiver.url, "outputs": [{"name": "score"}]}
    report = run(warehouse, prepared(warehouse, people, post, count=1))
    is_json = answer not in {b"<html>", b""}
    assert report.error == (None if is_json else "post: the answer is not JSON.")
    assert report.completed == int(is_json)


def test_what_is_missing_is_named_and_no_secret_is(
    warehouse: Warehouse, people: SourceTable, receiver: Receiver
) -> None:
    receiver.answer = lambda _posted, _number: (401, {"message": f"bad token {SECRET}"})
    post = {
        "type": "http",
        "name": "post",
        "url": f"{receiver.url}?key=hidden",
        "secret": "PIPEDRIVE_SECRET_POST",
    }
    made = prepared(warehouse, people, post)
    error = run(warehouse, made).error
    assert error == "post: set the environment variable PIPEDRIVE_SECRET_POST to the secret."
    assert receiver.posted == []
    make_due(warehouse)
    run(warehouse, made, PIPEDRIVE_SECRET_POST=SECRET)
    kept = str(ask(warehouse, "FROM workflows._runs"))
    assert "the answer was 401 from 127.0.0.1" in kept
    assert SECRET not in kept
    assert "hidden" not in kept


def test_nobody_answering_is_said(warehouse: Warehouse, people: SourceTable) -> None:
    post = {"type": "http", "name": "post", "url": "http://127.0.0.1:9/", "tries": 1}
    report = run(warehouse, prepared(warehouse, people, post))
    assert report.error == "post: no answer (ConnectError) from 127.0.0.1."


def test_changed_rows_run_again_with_their_new_values(warehouse: Warehouse, people: SourceTable) -> None:
    people.put(1, 2)
    made = workflow(
        syncs=[{"source": "people", "field_mapping": {"input.email": "emails"}, "on_update": "update"}],
        actions=[DOMAIN],
    )
    run_sync(warehouse, made, source())
    run(warehouse, made)
    people.put(2, email="p2@elsewhere.example")
    run_sync(warehouse, made, source())
    assert outputs(warehouse, "domain")[1] == (2, "example.com", "queued")
    assert run(warehouse, made).completed == 1
    assert outputs(warehouse, "domain")[1] == (2, "elsewhere.example", "complete")


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("length(repeat('x', 2000000000))", None),
        ("length(repeat(email, 200000000))", None),
        ("list_sum(range(3000000000))::VARCHAR", None),
        ("list_sum(list_transform(range(90000000), x -> sin(x) * cos(x) * tan(x) * x))", None),
        ("'127.0.0.1'::INET", "INET"),
        ("getenv('HOME')", "getenv"),
        ("current_setting('home_directory') || (SELECT content FROM read_text('/etc/passwd'))", None),
    ],
)
def test_expressions_have_bounds_and_no_way_out(
    warehouse: Warehouse,
    people: SourceTable,
    monkeypatch: pytest.MonkeyPatch,
    expression: str,
    said: str | None,
) -> None:
    monkeypatch.setattr(sql_actions, "LONGEST_SECONDS", 1 if said is None else 20)
    report = run(warehouse, prepared(warehouse, people, sql(expression), count=2))
    assert (report.completed, report.failed) == (0, 2)
    assert said is None or (report.error is not None and said in report.error)
    with warehouse.writing():
        "The database is free."


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433", "169.254.169.254"]
)
def test_nothing_is_sent_to_this_machine_or_a_private_network_unless_it_is_named(
    warehouse: Warehouse, people: SourceTable, receiver: Receiver, host: str
) -> None:
    url = receiver.url.replace("127.0.0.1", host)
    post = {"type": "http", "name": "post", "url": url, "tries": 1}
    report = run(warehouse, prepared(warehouse, people, post, count=1), private_hosts="10.0.0.5")
    assert report.error is not None
    assert "PIPEDRIVE_PRIVATE_HOSTS" in report.error
    assert receiver.posted == []


def test_a_host_that_is_named_is_posted_to_under_its_name(
    warehouse: Warehouse, people: SourceTable, receiver: Receiver
) -> None:
    post = {"type": "http", "name": "post", "url": receiver.url.replace("127.0.0.1", "localhost")}
    made = prepared(warehouse, people, post, count=1)
    assert run(warehouse, made, private_hosts="crm.internal, localhost").completed == 1
    port = receiver.url.rsplit(":", 1)[1].partition("/")[0]
    assert receiver.posted[0].headers["host"] == f"localhost:{port}"
