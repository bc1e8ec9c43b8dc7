"""A working day at the demo account: what its people do between two imports.

Everything goes through the account's own API, as it would if users of the web app did it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True, slots=True)
class WorkingDay:
    """How many records were changed in which way."""

    persons_added: int
    persons_deleted: int
    deals_won: int
    deals_archived: int
    activities_done: int

    def __str__(self) -> str:
        return (
            f"{self.persons_added} persons added, {self.persons_deleted} deleted, "
            f"{self.deals_won} deals won, {self.deals_archived} archived, "
            f"{self.activities_done} activities done"
        )


def work(url: str, token: str, seed: int) -> WorkingDay:
    """Do a day's work; the same seed on the same account does the same.

    Raises:
        httpx.HTTPError: the account does not answer, or refuses.
    """
    chance = random.Random(seed)
    with httpx.Client(base_url=f"{url}/api/v2", headers={"x-api-token": token}, timeout=30) as http:
        owner = _list(http, "/deals", limit=1)[0]["owner_id"]
        for number in range(3):
            body = {"name": f"{chance.choice(_FIRST)} {chance.choice(_LAST)}", "owner_id": owner}
            body["emails"] = [
                {"value": f"lead{seed}.{number}@fair.example", "primary": True, "label": "work"}
            ]
            _ask(http, "POST", "/persons", body)
        gone = _list(http, "/persons", limit=2, sort_by="add_time")
        for person in gone:
            _ask(http, "DELETE", f"/persons/{person['id']}")
        deals = _list(http, "/deals", limit=30, status="open", sort_by="update_time", sort_direction="desc")
        for deal in deals[:4]:
            _ask(http, "PATCH", f"/deals/{deal['id']}", {"status": "won"})
        for deal in deals[4:6]:
            _ask(http, "PATCH", f"/deals/{deal['id']}", {"is_archived": True})
        activities = _list(http, "/activities", limit=10, done="false")
        for activity in activities:
            _ask(http, "PATCH", f"/activities/{activity['id']}", {"done": True})
    return WorkingDay(3, len(gone), len(deals[:4]), len(deals[4:6]), len(activities))


_FIRST = ("Amara", "Björn", "Chloé", "Dmitri", "Eszter", "Farid", "Grace", "Haruto")
_LAST = ("Adeyemi", "Bergström", "Costa", "Dvořák", "Eklund", "Fontaine", "García", "Haddad")


def _list(http: httpx.Client, path: str, **parameters: str | int) -> list[dict[str, Any]]:
    answer = http.get(path, params=parameters)
    answer.raise_for_status()
    records: list[dict[str, Any]] = answer.json()["data"]
    return records


def _ask(http: httpx.Client, method: str, path: str, body: dict[str, Any] | None = None) -> None:
    http.request(method, path, json=body).raise_for_status()
