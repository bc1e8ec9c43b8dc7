"""The countries the company sells in, with their people, firms and addresses.

Faker is slow per call, so that each country is a pool of a few dozen values of every kind, from which
records are put together. Domains end in ``.example``, which nobody can own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from faker import Faker

from pipedrive_orchestration.demo.generator.randomness import pick, pool_of, stream
from pipedrive_orchestration.demo.records import Record

_NAMES = 64
_PLACES = 24


@dataclass(frozen=True, slots=True)
class Country:
    """What is known of a country beforehand."""

    name: str
    locale: str
    currency: str
    dial: str
    timezone: str
    weight: float
    regions: list[str]
    legal_forms: list[str]


_COUNTRIES = """
Germany        | de_DE | EUR | +49 30  | Europe/Berlin     | 24 | Berlin, Bayern, Hessen    | GmbH, AG
United States  | en_US | USD | +1 415  | America/New_York  | 22 | CA, TX, NY                | Inc., LLC
United Kingdom | en_GB | GBP | +44 20  | Europe/London     | 14 | Kent, Surrey              | Ltd, plc
Spain          | es_ES | EUR | +34 91  | Europe/Madrid     | 9  | Madrid, Cataluña, Aragón  | S.L., S.A.
Estonia        | et_EE | EUR | +372 6  | Europe/Tallinn    | 7  | Harju, Tartu              | OÜ, AS
Brazil         | pt_BR | BRL | +55 11  | America/Sao_Paulo | 7  | SP, RJ, MG                | Ltda., S.A.
Japan          | ja_JP | JPY | +81 3   | Asia/Tokyo        | 7  | 東京都, 大阪府 | 株式会社, 合同会社
China          | zh_CN | CNY | +86 21  | Asia/Shanghai     | 4  | 上海市, 广东省 | 有限公司
Israel         | he_IL | ILS | +972 3  | Asia/Jerusalem    | 3  | תל אביב, חיפה             | בע"מ
Saudi Arabia   | ar_SA | SAR | +966 11 | Asia/Riyadh       | 3  | الرياض, مكة               | ش.م.م
"""


def _countries() -> Iterator[Country]:
    for line in _COUNTRIES.strip().splitlines():
        name, locale, currency, dial, timezone, weight, regions, forms = map(str.strip, line.split("|"))
        lists = (regions.split(", "), forms.split(", "))
        yield Country(name, locale, currency, dial, timezone, float(weight), *lists)


_EVENTS = (
    "{name} called and asks for the offer again",
    "The roof was measured; {number} m² face south",
    "{name} wants {number} panels instead of {other}",
    "Met {name} at the trade fair, interested in storage",
    "The grid operator answers within {number} days",
    "Budget was cut by {number} %, decision postponed",
    "{name} is on leave until {month}",
    "Send the data sheets to {name} before {month}",
    "Compared with us, the competitor is {number} % cheaper",
    "Permit expected in {month}, scaffolding ordered",
    "Inverter {number} reports a fault, technician on the way",
    "{name} has to convince the board first",
)

_TRADES = (
    *("Logistics", "Foods", "Cold Storage", "Textiles", "Motors"),
    *("Dairy", "Packaging", "Hotels", "Farms"),
)


@dataclass(frozen=True, slots=True)
class Name:
    """A name and how it is written in a mail address."""

    written: str
    ascii: str


@dataclass(frozen=True, slots=True)
class Place:
    """A country with its pools; a firm's ``ascii`` is its mail domain."""

    country: Country
    given_names: list[Name]
    family_names: list[Name]
    firms: list[Name]
    addresses: list[Record]

    def phone(self, rng: Random) -> str:
        """A number of the country; lengths and spacing are not those of any real subscriber."""
        return f"{self.country.dial} 555 {rng.getrandbits(20) % 10_000:04}"

    def person_name(self, rng: Random) -> tuple[Name, Name]:
        """A given and a family name."""
        return pick(rng, self.given_names), pick(rng, self.family_names)


@dataclass(frozen=True, slots=True)
class World:
    """All countries, each as often in the pool as the company does business there."""

    places: list[Place]
    pool: list[Place]
    sentences: list[str]
    job_titles: list[str]


@lru_cache(2)
def build_world(seed: int) -> World:
    """The world of an account: the same for the same seed, so accounts of one process share it."""
    places = [_place(country, seed) for country in _countries()]
    english, rng = _faker("en_US", seed), stream(seed, "world")
    return World(
        places=places,
        pool=pool_of(rng, places, [place.country.weight for place in places]),
        sentences=[_sentence(template, english, rng) for template in _EVENTS * 8],
        job_titles=[english.job() for _ in range(_NAMES)],
    )


def _sentence(template: str, faker: Faker, rng: Random) -> str:
    number, other = rng.randrange(3, 60), rng.randrange(60, 90)
    name, month = faker.name(), faker.month_name()
    return template.format(name=name, number=number, other=other, month=month) + "."


def _faker(locale: str, seed: int) -> Faker:
    faker = Faker(locale)
    faker.seed_instance(f"{seed}/{locale}")
    return faker


def _place(country: Country, seed: int) -> Place:
    faker = _faker(country.locale, seed)
    rng = stream(seed, country.locale)
    family_names = [faker.last_name() for _ in range(_NAMES)]
    return Place(
        country=country,
        given_names=[_name(faker.first_name(), "contact", rng) for _ in range(_NAMES)],
        family_names=[_name(name, country.locale[-2:].lower(), rng) for name in family_names],
        firms=_firms(country, family_names, [faker.company() for _ in range(40)], rng),
        addresses=[_address(country, faker, rng) for _ in range(_PLACES)],
    )


def _name(written: str, fallback: str, rng: Random) -> Name:
    return Name(written, _ascii(written) or f"{fallback}{rng.getrandbits(8)}")


def _firms(country: Country, family_names: list[str], companies: list[str], rng: Random) -> list[Name]:
    composed = [
        f"{family} {pick(rng, _TRADES)} {form}"
        for family in family_names
        for form in country.legal_forms
        if _ascii(family)
    ]
    names = (_name(company, f"firm-{country.locale[-2:].lower()}", rng) for company in companies + composed)
    return [Name(name.written, f"{name.ascii}.example") for name in names]


def _address(country: Country, faker: Faker, rng: Random) -> Record:
    """An address with every part that it can have; some are unknown, as they often are."""
    street, number = faker.street_name(), str(faker.building_number())
    city, postcode = faker.city(), str(faker.postcode())
    text = f"{street} {number}, {postcode} {city}, {country.name}"
    return {
        "value": text,
        "country": country.name,
        "admin_area_level_1": pick(rng, country.regions),
        "admin_area_level_2": None,
        "locality": city,
        "sublocality": None,
        "route": street,
        "street_number": number,
        "subpremise": f"Unit {rng.getrandbits(5)}" if rng.random() < 0.1 else None,
        "postal_code": postcode,
        "formatted_address": text,
    }


def _ascii(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name.lower())
    return re.sub(r"[^a-z]+", "", decomposed.encode("ascii", "ignore").decode())
