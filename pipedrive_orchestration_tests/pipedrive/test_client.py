"""What becomes of a request: every way in which Pipedrive, or the way to it, can answer."""

from __future__ import annotations

import logging
import socket
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.client import Patience, next_budget
from pipedrive_orchestration.pipedrive.clock import AccountClock
from pipedrive_orchestration.pipedrive.errors import (
    BudgetSpent,
    NotConnected,
    PipedriveError,
    Refused,
    Unavailable,
)
from pipedrive_orchestration.pipedrive.responses import BrokenBody
from pipedrive_orchestration_tests.conftest import FreshDemo
from pipedrive_orchestration_tests.importing.canned import TOKEN, Answer, Asked, in_turn, serving
from pipedrive_orchestration_tests.pipedrive.asking import CALM, HURRY, SHORT, as_page, ask

PATH = "/api/v2/deals"
FINE = Answer({"success": True, "data": []})
HTML = {"content-type": "text/html"}
PAGE = "<html><body>Attention Required! | Cloudflare</body></html>"


def failure(answer: Answer) -> PipedriveError:
    """The error that a request ends in when every answer is that one."""
    with serving({PATH: lambda _: answer}) as served, pytest.raises(PipedriveError) as caught:
        ask(served.connection, as_page, patience=HURRY)
    return caught.value


def test_a_refused_token_is_no_connection() -> None:
    body = {"success": False, "error": "unauthorized access", "errorCode": 401}
    error = failure(Answer(body, 401))
    assert isinstance(error, NotConnected)
    assert str(error).startswith("User is not connected to 'pipedrive'.")
    assert "PIPEDRIVE_API_TOKEN" in str(error)


REFUSALS = [
    (
        400,
        {"success": False, "error": "Validation failed: x", "code": "ERR_SCHEMA_VALIDATION_FAILED"},
        "Validation",
    ),
    (
        402,
        {"success": False, "error": "Required suites missing", "errorCode": 402},
        "Required suites missing",
    ),
    (403, {"success": False, "error": "Scope and URL mismatch", "errorCode": 403}, "Scope and URL mismatch"),
    (
        404,
        {"success": False, "error": "Entity was not found", "error_info": "Object was not found."},
        "not found",
    ),
    (410, {"success": False, "error": "The field is not found"}, "update pipedrive_orchestration"),
    (410, {"success": True, "data": {"id": 11}}, "retired"),
    (415, {"success": False, "message": "Feature disabled"}, "Feature disabled"),
    (404, PAGE, "not JSON"),
]


@pytest.mark.parametrize(("status", "body", "said"), REFUSALS)
def test_a_refusal_ends_at_once_and_says_why(status: int, body: object, said: str) -> None:
    with serving({PATH: lambda _: Answer(body, status)}) as served:
        with pytest.raises(Refused) as caught:
            ask(served.connection, as_page)
        assert len(served.asked) == 1
    assert caught.value.status == status
    assert said in str(caught.value)
    assert f"{PATH}?limit=1" in str(caught.value)
    if status == 400:
        assert caught.value.code == "ERR_SCHEMA_VALIDATION_FAILED"


PASSING = {
    "500": Answer({"success": False, "error": "boom"}, 500),
    "502 HTML": Answer(PAGE, 502, HTML),
    "503": Answer(b"", 503),
    "524": Answer(b"", 524),
    "truncated": Answer({"success": True, "data": [{"id": 1}]}, missing=40),
    "HTML with 200": Answer(PAGE, 200, HTML),
    "success false with 200": Answer({"success": False, "error": "later"}),
    "half a body that says it is whole": Answer(b'{"success":true,"data":[{"id":1}'),
    "blocked with HTML 403": Answer(PAGE, 403, HTML),
    "429 without headers": Answer(b"", 429, {"x-ratelimit-limit": "", "x-ratelimit-remaining": ""}),
}


@pytest.mark.parametrize("trouble", PASSING.values(), ids=PASSING)
def test_passing_trouble_is_waited_out(trouble: Answer) -> None:
    with serving({PATH: in_turn([trouble, FINE])}) as served:
        (page,), _ = ask(served.connection, as_page)
        assert page.records == []
        assert len(served.asked) == 2


@pytest.mark.parametrize("name", ["500", "truncated", "blocked with HTML 403"])
def test_lasting_trouble_ends_at_the_deadline(name: str) -> None:
    began = time.monotonic()
    error = failure(PASSING[name])
    assert isinstance(error, Unavailable)
    assert time.monotonic() - began < HURRY.deadline + 1
    assert "\n" not in str(error)
    assert "what is committed stays" in str(error)


def test_what_cannot_be_read_is_named_in_the_end() -> None:
    def read(body: bytes) -> None:
        raise BrokenBody("it is cursed")

    with serving({PATH: lambda _: FINE}) as served, pytest.raises(Unavailable, match="it is cursed"):
        ask(served.connection, read, patience=HURRY)


def test_an_answer_that_never_comes_is_given_up() -> None:
    release = threading.Event()

    def stall(asked: Asked) -> Answer:
        release.wait(10)
        return FINE

    with serving({PATH: stall}) as served:
        with pytest.raises(Unavailable, match=r"no complete answer in 0\.2 s"):
            ask(served.connection, as_page, patience=HURRY)
        release.set()


def test_a_burst_refusal_pauses_all_requests_for_as_long_as_told() -> None:
    headers = {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}
    refusal = Answer({"success": False, "error": "request over limit", "errorCode": 429}, 429, headers)
    with serving({PATH: in_turn([refusal, FINE])}) as served:
        began = time.monotonic()
        _, client = ask(served.connection, as_page, patience=Patience())
        assert 1 <= time.monotonic() - began < 3
    assert (client.usage.requests, client.usage.retries, client.usage.tokens) == (2, 1, 10)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-daily-ratelimit-token-remaining": "0"},
        {"x-daily-ratelimit-token-remaining": "9", "x-ratelimit-remaining": "0"},
        {"retry-after": "3600"},
    ],
    ids=str,
)
def test_a_spent_daily_budget_stops_at_once_and_says_when_it_is_full_again(headers: dict[str, str]) -> None:
    with serving({PATH: lambda _: Answer(b"{}", 429, headers)}, now=datetime.now(UTC)) as served:
        with pytest.raises(BudgetSpent) as caught:
            ask(served.connection, as_page)
        assert len(served.asked) == 1
    expected = (
        next_budget(AccountClock())
        if "retry-after" not in headers
        else datetime.now(UTC) + timedelta(hours=1)
    )
    assert abs(caught.value.resumes_at - expected) < timedelta(minutes=5)
    assert f"{caught.value.resumes_at:%Y-%m-%d %H:%M} UTC" in str(caught.value)


BURSTS: dict[str, tuple[dict[str, str], float]] = {
    "room in the window and no word of the day": (
        {"x-ratelimit-remaining": "5", "x-ratelimit-reset": "1"},
        1.0,
    ),
    "Retry-After alone": ({"x-ratelimit-limit": "", "x-ratelimit-remaining": "", "retry-after": "1"}, 1.0),
    "Retry-After as a date": (
        {"x-ratelimit-remaining": "0", "retry-after": "Fri, 27 Nov 2026 10:00:01 GMT"}
        | {"date": "Fri, 27 Nov 2026 10:00:00 GMT", "x-ratelimit-reset": "30"},
        1.0,
    ),
    "budget left for the day": (
        {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1", "x-daily-ratelimit-token-remaining": "50"},
        1.0,
    ),
}


@pytest.mark.parametrize(("headers", "seconds"), BURSTS.values(), ids=BURSTS)
def test_a_burst_refusal_is_waited_out_for_as_long_as_told(headers: dict[str, str], seconds: float) -> None:
    with serving({PATH: in_turn([Answer(b"{}", 429, headers), FINE])}) as served:
        began = time.monotonic()
        _, client = ask(served.connection, as_page, patience=CALM)
        assert time.monotonic() - began >= seconds
    assert (client.usage.requests, client.usage.tokens) == (2, 10)


def test_refusals_that_outlast_any_burst_are_a_spent_budget() -> None:
    headers = {"x-ratelimit-remaining": "5", "x-ratelimit-reset": "1"}
    patience = Patience(refused=0.1)
    with serving({PATH: lambda _: Answer(b"{}", 429, headers)}) as served:
        with pytest.raises(BudgetSpent, match="daily token budget is spent"):
            ask(served.connection, as_page, patience=patience)
        assert len(served.asked) == 2


def test_a_web_page_instead_of_the_first_answer_is_said_soon() -> None:
    assert Patience().first_deadline == 10
    patience = Patience(first_deadline=0.5)
    with (
        serving({PATH: lambda _: Answer(PAGE, 200, HTML)}) as served,
        pytest.raises(Unavailable, match=r"a web page \(HTML\) came instead of data.*PIPEDRIVE_API_URL"),
    ):
        ask(served.connection, as_page, patience=patience)


def test_the_budget_is_full_again_at_midnight() -> None:
    late = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert next_budget(AccountClock(lambda: late)) == late + timedelta(seconds=1)


def test_the_budget_is_full_again_at_midnight_of_pipedrives_clock() -> None:
    """Pipedrive's clock shows 11 h 1 min less than ours."""
    ours = datetime(2026, 12, 31, 13, 1, 17, tzinfo=UTC)
    spent = Answer(b"{}", 429, {"x-daily-ratelimit-token-remaining": "0"})
    with (
        serving({PATH: lambda _: spent}, now=datetime(2026, 12, 31, 2, 0, 17, tzinfo=UTC)) as served,
        pytest.raises(BudgetSpent, match="after 2027-01-01 11:01 UTC") as caught,
    ):
        ask(served.connection, as_page, clock=lambda: ours)
    assert caught.value.resumes_at == datetime(2027, 1, 1, 11, 1, tzinfo=UTC)


def test_no_request_is_made_that_the_known_rest_of_the_budget_cannot_pay(fresh_demo: FreshDemo) -> None:
    demo = fresh_demo(daily_tokens=25)
    connection = Connection.of(demo.url, demo.token)
    with pytest.raises(BudgetSpent, match="has 5 tokens left, this request costs 10"):
        ask(connection, as_page, times=3)
    assert [request.status for request in demo.account.requests] == [200, 200]


def test_an_unreachable_host_ends_soon_with_one_clear_paragraph() -> None:
    assert Patience().first_deadline == 10
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    began = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        ask(Connection.of(url, TOKEN), as_page)
    assert time.monotonic() - began < SHORT.first_deadline + 1
    assert "ConnectError" in str(caught.value)
    assert "PIPEDRIVE_API_URL" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with serving({}) as elsewhere:
        away = Answer(b"", status, {"location": f"{elsewhere.url}{PATH}?secret=1"})
        error = failure(away)
        assert elsewhere.asked == []
    assert isinstance(error, Refused)
    assert "it leads to 127.0.0.1. The token is not sent on" in str(error)


def test_the_token_travels_in_one_header_and_shows_nowhere_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told = []
    with serving({PATH: lambda _: FINE}) as served:
        _, client = ask(served.connection, as_page)
        (asked,) = served.asked
        told += [repr(client), repr(vars(client)), repr(served.connection), str(served.connection)]
    carriers = [name for name, value in asked.headers.items() if TOKEN in value]
    assert carriers == ["x-api-token"]
    assert TOKEN not in asked.target
    troubles = [PASSING["500"], PASSING["truncated"], PASSING["HTML with 200"]]
    for answer in [*troubles, Answer(b"{}", 401), Answer(b"{}", 404), Answer(b"{}", 302)]:
        error = failure(answer)
        told += [str(error), repr(error), repr(error.__cause__), repr(vars(error))]
    told += [record.getMessage() for record in caplog.records]
    assert len(caplog.records) > 0
    assert not [line for line in told if TOKEN in line]
