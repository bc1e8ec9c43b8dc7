"""What records hold in their custom fields, in the shapes of docs/pipedrive-api.md#custom-field-values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from pipedrive_orchestration.demo.generator.custom_fields import CUSTOM_FIELDS
from pipedrive_orchestration.demo.generator.moments import DAY, clock_text, date_text
from pipedrive_orchestration.demo.generator.randomness import POOL_SIZE, draw, pick, stream
from pipedrive_orchestration.demo.records import Record

if TYPE_CHECKING:
    from pipedrive_orchestration.demo.generator.business import Business

_WORDS = (
    *("Helios", "Sunrise", "Volta", "Meridian", "Kestrel"),
    *("Auriga", "Borealis", "Cinder", "Delta", "Ember"),
)
_ZONES = ((17, "Europe/London"), (24, "Europe/Berlin"), (61, "America/New_York"), (88, "Asia/Tokyo"))


@dataclass(frozen=True, slots=True)
class CustomFieldSet:
    """The custom fields of one object type with a pool of values for each key.

    Attributes:
        fields: v2 field objects, the deleted ones included.
        pools: for every key that records carry, ``POOL_SIZE`` values, None for unset.
    """

    fields: list[Record]
    pools: dict[str, list[Any]]

    def draw(self, rng: Random) -> Record:
        """A complete ``custom_fields`` map: every key, null when unset.

        See docs/pipedrive-api.md#custom-field-values.

        Compound values are shared between records, so they are to be replaced, never changed in place.
        """
        bits = rng.getrandbits
        return {key: pool[bits(9)] for key, pool in self.pools.items()}

    def key(self, field_type: str) -> str:
        """The key of the first field of a type."""
        return next(str(entry["field_code"]) for entry in self.fields if entry["field_type"] == field_type)

    def option_ids(self, key: str, which: str = "options") -> list[int]:
        """Ids of the options of a field, or of its deleted ones (``_options_deleted``)."""
        entry = next(entry for entry in self.fields if entry["field_code"] == key)
        return [option["id"] for option in entry[which]]


def fill_pools(business: Business, name: str) -> CustomFieldSet:
    """Draw the values that records of a collection may have in their custom fields."""
    values = _Values(business, stream(business.seed, f"{name} custom values"))
    custom = [entry for entry in business.fields[name] if entry["is_custom_field"]]
    pools = {
        entry["field_code"]: values.pool(entry, definition.filled)
        for entry, definition in zip(custom, CUSTOM_FIELDS[name], strict=True)
        if not definition.deleted
    }
    return CustomFieldSet(custom, pools)


class _Values:
    """Values of each creatable field type in their v2 shape (docs/pipedrive-api.md#custom-field-values)."""

    def __init__(self, business: Business, rng: Random) -> None:
        self._rng, self._world, self._calendar = rng, business.world, business.calendar
        self._makers: dict[str, Callable[[Record], Any]] = {
            "varchar": lambda _: f"{pick(rng, _WORDS)}-{rng.getrandbits(16)}",
            "varchar_auto": lambda _: pick(rng, _WORDS),
            "text": self._text,
            "double": lambda _: round(rng.random() * 5_000, 2),
            "monetary": self._monetary,
            "enum": self._enum,
            "set": self._set,
            "user": lambda _: pick(rng, business.owners),
            "org": lambda _: pick(rng, business.ids("organizations")),
            "people": lambda _: pick(rng, business.ids("persons")),
            "phone": lambda _: draw(rng, business.world.pool).phone(rng),
            "date": lambda _: date_text(self._day()),
            "daterange": self._daterange,
            "time": lambda _: {"value": self._clock(8, 18), **self._zone()},
            "timerange": lambda _: {
                "value": self._clock(6, 11),
                "until": self._clock(15, 22),
                **self._zone(),
            },
            "address": lambda _: pick(rng, draw(rng, business.world.pool).addresses),
        }

    def pool(self, entry: Record, filled: float) -> list[Any]:
        """Values for a field, with None for the share of records that leave it unset."""
        make = self._makers[entry["field_type"]]
        return [make(entry) if self._rng.random() < filled else None for _ in range(POOL_SIZE)]

    def _text(self, _: Record) -> str:
        return "\n".join(pick(self._rng, self._world.sentences) for _ in range(1 + self._rng.getrandbits(1)))

    def _monetary(self, _: Record) -> Record:
        currency = draw(self._rng, self._world.pool).country.currency
        return {"value": round(self._rng.random() * 40_000, 2), "currency": currency}

    def _enum(self, entry: Record) -> int:
        return int(pick(self._rng, entry["options"] * 6 + entry["_options_deleted"])["id"])

    def _set(self, entry: Record) -> list[int]:
        known = [option["id"] for option in entry["options"] * 3 + entry["_options_deleted"]]
        return sorted(set(self._rng.sample(known, 1 + self._rng.getrandbits(1))))

    def _daterange(self, _: Record) -> Record:
        start = self._day()
        return {"value": date_text(start), "until": date_text(start + (1 + self._rng.getrandbits(5)) * DAY)}

    def _day(self) -> int:
        span = self._calendar.now - self._calendar.opened
        return self._calendar.opened + int(self._rng.random() * span * 1.2)

    def _clock(self, first_hour: int, last_hour: int) -> str:
        return clock_text(self._rng.randrange(first_hour * 4, last_hour * 4) * 900)

    def _zone(self) -> Record:
        identifier, name = pick(self._rng, _ZONES)
        return {"timezone_id": identifier, "timezone_name": name}
