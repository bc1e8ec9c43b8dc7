"""How sales went in the two years of the account: what a look at its figures is to find.

More is begun in spring than in winter; one of the team wins more than the others, another less; most plants
that are lost are lost at the permit; the storage business was taken out of the maintenance pipeline; British
customers have been quoted in euros since the second year; and a colleague who left still owns a few deals.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from pipedrive_orchestration.demo.generator.business import Business
from pipedrive_orchestration.demo.generator.moments import DAY, Calendar, seconds_of
from pipedrive_orchestration.demo.records import Record

SEASON = (0.5, 0.7, 1.1, 1.5, 1.5, 1.3, 1.0, 0.6, 1.1, 1.0, 0.7, 0.4)
"""How much is begun in each month, January first, beside an even year."""

NEW_PLANTS, MAINTENANCE, STORAGE = 1, 2, 3
"""Ids of pipelines."""

PERMIT = 4
"""Position of the stage in which most new plants are lost."""
LOST_AT_PERMIT = 0.55

EUROS_A_POUND = 1.17

OWNED_BY_WHO_LEFT = 3
"""Open deals that nobody has taken over."""


@dataclass(frozen=True, slots=True)
class Seller:
    """How somebody sells.

    Attributes:
        wins: the share of closed deals that are won.
        pace: how long a deal takes, beside the others.
    """

    wins: float
    pace: float


_BEST, _WORST, _USUAL = Seller(0.63, 0.7), Seller(0.17, 1.4), Seller(0.36, 1.0)
_POSITIONS = {2: _BEST, 6: _WORST}


def seller(business: Business, owner_id: int) -> Seller:
    """How the owner of a deal sells."""
    return _POSITIONS.get(business.owners.index(owner_id), _USUAL)


def who_left(business: Business) -> int:
    """The user who has left the company."""
    left: int = next(key for key, user in business["users"].items() if not user["active_flag"])
    return left


def reorganisation(calendar: Calendar) -> int:
    """When the deals about storage got a pipeline of their own."""
    return calendar.opened + 300 * DAY


def euro(calendar: Calendar) -> int:
    """When open deals in pounds were changed to euros."""
    return calendar.opened + 400 * DAY


def was_handed_over(business: Business, deal: Record) -> bool:
    """Whether a deal has come from the maintenance pipeline."""
    return bool(deal["pipeline_id"] == STORAGE) and seconds_of(deal["add_time"]) < reorganisation(
        business.calendar
    )


def was_in_pounds(business: Business, deal: Record) -> bool:
    """Whether the currency of a deal was changed."""
    place = business.homes.get(deal["org_id"])
    instant = euro(business.calendar)
    return (
        place is not None
        and place[0].country.currency == "GBP"
        and deal["currency"] == "EUR"
        and seconds_of(deal["add_time"]) < instant
    )


def is_in_season(rng: Random, month: int) -> bool:
    """Whether a deal that could have begun in a month, from 1, did."""
    return rng.random() * max(SEASON) < SEASON[month - 1]
