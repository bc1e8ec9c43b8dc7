"""A bad way to the account: answers that are lost, late, cut, wrong or refused, as the seed has it.

The faults lie between the client and the account, so what the account logs and holds stays true. An answer
that was spoilt is given rightly when it is asked for once more: trouble here passes.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipedrive_orchestration.demo.faults import Fault, Faults
from pipedrive_orchestration.demo.spoilt_answers import CHANGES, Answer, lost_cursor
from pipedrive_orchestration.demo.spoilt_connections import Request, deliver, deliver_with

_REPEATED_ROWS = 3

_OF_A_CURSOR = frozenset({Fault.LOST_CURSOR, Fault.CURSOR_CYCLE})


class Injector:
    """The application with faults in front of it.

    Attributes:
        injected: how often each fault has come.
    """

    def __init__(self, app: ASGIApp, faults: Faults, injected: Counter[Fault]) -> None:
        self.injected = injected
        self._app = app
        self._faults = faults
        self._random = Random(faults.seed)
        self._spared: set[str] = set()
        self._first_cursors: dict[str, str] = {}
        self._last_rows: dict[str, list[Any]] = {}
        self._lost_cursors: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, rightly or not."""
        request = Request(scope, receive, send)
        fault = self._drawn(request) if scope["type"] == "http" and scope["method"] == "GET" else None
        if request.cursor in self._lost_cursors and scope["path"].startswith("/api/v2"):
            await deliver(request, lost_cursor())
        elif fault is None and not self._lost_cursors:
            await self._app(scope, receive, send)
        elif fault is None:
            answer = await self._answer_of(request)
            # One that is given out anew is good again.
            self._lost_cursors = {lost for lost in self._lost_cursors if lost.encode() not in answer.body}
            await deliver(request, answer)
        else:
            self.injected[fault] += 1
            await self._spoil(request, fault)

    def _drawn(self, request: Request) -> Fault | None:
        if request.target in self._spared:
            self._spared.remove(request.target)
            return None
        kinds = [kind for kind in self._faults.kinds if kind not in _OF_A_CURSOR or request.cursor]
        if not kinds or self._random.random() >= self._faults.share:
            return None
        self._spared.add(request.target)
        return self._random.choice(kinds)

    async def _spoil(self, request: Request, fault: Fault) -> None:
        if fault is Fault.RESET_BEFORE:
            await request.hang_up()
            return
        if fault is Fault.STALL_BEFORE:
            await request.gone(self._faults.stall_seconds)
            await request.hang_up()
            return
        answer = await self._answer_of(request)
        if answer.status == 200:
            answer = self._changed(request, fault, answer)
        await deliver_with(fault, request, answer, self._faults)

    async def _answer_of(self, request: Request) -> Answer:
        answer = Answer()

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                answer.body += message.get("body", b"")

        await self._app(request.scope, request.receive, keep)
        return answer

    def _changed(self, request: Request, fault: Fault, answer: Answer) -> Answer:
        if fault in CHANGES:
            return CHANGES[fault](answer)
        if fault is Fault.REDIRECT:
            location = {"location": f"{self._faults.elsewhere}{request.target}"}
            return Answer(302, {**answer.headers, **location})
        if fault is Fault.LOST_CURSOR:
            assert request.cursor, "drawn only for requests with one"
            self._lost_cursors.add(request.cursor)
            return lost_cursor()
        if fault is Fault.CURSOR_CYCLE:
            return self._in_a_cycle(request, answer)
        return self._with_rows_of_before(request, answer) if fault is Fault.DUPLICATES else answer

    def _in_a_cycle(self, request: Request, answer: Answer) -> Answer:
        """The list goes on where a request for it has been before: at this page, or at one long gone."""
        assert request.cursor, "drawn only for requests with one"
        first = self._first_cursors.setdefault(request.scope["path"], request.cursor)
        envelope = answer.json()
        if envelope["additional_data"]["next_cursor"] is not None:
            envelope["additional_data"]["next_cursor"] = self._random.choice((first, request.cursor))
        answer.body = orjson.dumps(envelope)
        return answer

    def _with_rows_of_before(self, request: Request, answer: Answer) -> Answer:
        """The page with some of its rows twice, and with rows of the page that had this fault before."""
        envelope = answer.json()
        rows = envelope.get("data")
        if isinstance(rows, list):
            before = self._last_rows.get(request.scope["path"], [])
            self._last_rows[request.scope["path"]] = rows[-_REPEATED_ROWS:]
            envelope["data"] = [*before, *rows[:_REPEATED_ROWS], *rows]
        answer.body = orjson.dumps(envelope)
        return answer
