"""Seeded chance: every part of the account draws from a stream of its own.

Streams are named, so that a change in how one collection is made leaves the others as they were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from random import Random
from typing import TypeVar
from uuid import UUID

T = TypeVar("T")

POOL_SIZE = 512
"""Values in a pool; a power of two, so that ``getrandbits`` picks one."""

_POOL_BITS = POOL_SIZE.bit_length() - 1


def stream(seed: int, part: str) -> Random:
    """The random numbers of one part of the account."""
    return Random(f"{seed}/{part}")


def pick(rng: Random, choices: Sequence[T]) -> T:
    """One of the choices, all equally likely (much cheaper than ``Random.choice``)."""
    return choices[int(rng.random() * len(choices))]


def pool_of(rng: Random, choices: Sequence[T], weights: Sequence[float] | None = None) -> list[T]:
    """A pool of ``POOL_SIZE`` draws, for use with `draw`."""
    return rng.choices(choices, weights=weights, k=POOL_SIZE)


def draw(rng: Random, pool: Sequence[T]) -> T:
    """One value of a pool of ``POOL_SIZE`` values."""
    return pool[rng.getrandbits(_POOL_BITS)]


def sample_positions(
    rng: Random, count: int, share: float, besides: Collection[int] = frozenset()
) -> set[int]:
    """A share of ``count`` positions, none of ``besides``; at least three, however small the account."""
    candidates = [position for position in range(count) if position not in besides]
    return set(rng.sample(candidates, max(3, int(count * share))))


def hash_key(seed: int, *parts: str) -> str:
    """A 40-hex key as Pipedrive gives it to a custom field."""
    return hashlib.sha1("/".join((str(seed), *parts)).encode(), usedforsecurity=False).hexdigest()


def uuid_text(rng: Random) -> str:
    """A random UUID of version 4, as text."""
    return str(UUID(int=rng.getrandbits(128), version=4))


def ids_with_gaps(rng: Random, count: int) -> tuple[list[int], list[int]]:
    """So many ascending ids from 1, and those left out between them because their records were purged."""
    ids: list[int] = []
    purged: list[int] = []
    upcoming = 1
    for index in range(count):
        if index == 3 or rng.random() < 0.015:
            purged.append(upcoming)
            upcoming += 1
        ids.append(upcoming)
        upcoming += 1
    return ids, purged
