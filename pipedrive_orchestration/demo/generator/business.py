"""A company's account in the making: what it has so far, and what its collections have in common."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from random import Random
from typing import Any

from pipedrive_orchestration.demo.generator.custom_values import CustomFieldSet, fill_pools
from pipedrive_orchestration.demo.generator.fields import make_fields
from pipedrive_orchestration.demo.generator.moments import Calendar, Season, Timeline
from pipedrive_orchestration.demo.generator.randomness import ids_with_gaps, sample_positions, stream
from pipedrive_orchestration.demo.generator.world import Place, World, build_world
from pipedrive_orchestration.demo.records import Record, Records

VOLUMES = {
    "persons": 4_000,
    "organizations": 1_500,
    "deals": 3_000,
    "activities": 6_000,
    "leads": 800,
    "notes": 1_500,
    "files": 400,
}
"""Records at scale 1."""

PRODUCTS = 60
_FEWEST = 40
"""An account with fewer records of a kind could not hold every edge case."""


@dataclass(slots=True)
class Draft:
    """A record before it is made.

    Attributes:
        id: its id.
        added: when it was added, in seconds since 1970.
        is_deleted: whether it has been deleted since.
        is_archived: whether it has been archived since.
        is_imported: whether it came from a spreadsheet and was never touched again.
    """

    id: int
    added: int
    is_deleted: bool
    is_archived: bool
    is_imported: bool


class Business:
    """Everything an account holds, each record exactly as the API has it.

    v2 collections are in v2 shape with every key, also those that come only through ``include_fields``,
    and a complete ``custom_fields`` map; v1 collections are in v1 shape. Deleted and archived records are
    included. Field objects carry private keys, see `fields`; filters carry their ``conditions``.

    Compound values (addresses, money, lists) may be shared between records: replace them, never change
    them in place.

    Args:
        seed: decides every name, number and key.
        scale: multiplies the records of `VOLUMES`.
        now: the instant up to which the account has existed.

    Attributes:
        seed: as given.
        calendar: the months that the account has existed.
        world: the countries that the company sells in.
        collections: the records of every collection that has been made.
        homes: each organization's country and mail domain.
        defects: ids of records in which a rule of data quality finds something, by the name of the rule:
            those that were made wrong on purpose.
    """

    def __init__(self, seed: int, scale: float, now: datetime) -> None:
        self.seed = seed
        self.calendar = Calendar.until(now)
        self.world: World = build_world(seed)
        self.collections: dict[str, Records] = {}
        self.homes: dict[int, tuple[Place, str]] = {}
        self.defects: dict[str, list[int]] = {}
        self._ids = {
            name: ids_with_gaps(stream(seed, f"{name} ids"), max(_FEWEST, round(volume * scale)))
            for name, volume in VOLUMES.items()
        } | {"products": (list(range(1, PRODUCTS + 1)), [])}
        self._timelines: dict[str, Timeline[Any]] = {}
        self._custom: dict[str, CustomFieldSet] = {}

    def __getitem__(self, name: str) -> Records:
        return self.collections[name]

    def ids(self, name: str) -> list[int]:
        """The ids that the records of a collection have or will have, ascending."""
        return self._ids[name][0]

    def purged(self, name: str) -> list[int]:
        """Ids of records that are long gone."""
        return self._ids[name][1]

    @cached_property
    def owners(self) -> list[int]:
        """Ids of everyone who may own records, the user who left included."""
        return list(self["users"])

    @cached_property
    def fields(self) -> dict[str, list[Record]]:
        """Field objects by collection, the built-in ones first."""
        return make_fields(self.seed, self.calendar, self["activity_types"])

    def custom(self, name: str) -> CustomFieldSet:
        """The custom fields of a collection and the values that they may have."""
        if name not in self._custom:
            self._custom[name] = fill_pools(self, name)
        return self._custom[name]

    def one_before(self, rng: Random, name: str, time: str) -> Any:
        """The id of a record that was there by then, rather a recent one, or None if there was none."""
        if name not in self._timelines:
            self._timelines[name] = Timeline(self[name])
        return self._timelines[name].one_before(rng, time)

    def drafts(
        self,
        rng: Random,
        name: str,
        *,
        imported: int = 0,
        deleted: float = 0,
        archived: float = 0,
        season: Season = lambda _rng, _month: True,
    ) -> list[Draft]:
        """The records to make of a collection, in the order in which they were added.

        Args:
            rng: where chance comes from.
            name: the collection.
            imported: how many of them, at most, came from a spreadsheet.
            deleted: the share of them that has been deleted.
            archived: the share of them that has been archived.
            season: tells by chance whether one is begun in a month, from 1.
        """
        ids = self.ids(name)
        add_times, import_ = self.calendar.add_times(rng, len(ids), imported, season)
        gone = sample_positions(rng, len(ids), deleted) if deleted else set()
        archived_ones = sample_positions(rng, len(ids), archived, besides=gone) if archived else set()
        return [
            Draft(ids[place], added, place in gone, place in archived_ones, place in import_)
            for place, added in enumerate(add_times)
        ]

    def updated(self, rng: Random, draft: Draft) -> int:
        """When a record was changed for the last time, which may be when it was added."""
        if draft.is_deleted:
            return self.calendar.deletion(rng, draft.added)
        return draft.added if draft.is_imported else self.calendar.later(rng, draft.added)
