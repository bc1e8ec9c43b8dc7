"""Where the product keeps what it has to remember of sources: a store of keys and values outside the folder.

Whoever runs a project chooses the store. Beside Dagster it is Dagster's own, which all machines of a
deployment share; a command that only looks at files, and a test, do with the memory of their process.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol


class KeyValues(Protocol):
    """Texts by key, shared by every process that is given the same store."""

    def read(self, keys: Collection[str]) -> dict[str, str]:
        """The values of those keys that have one."""

    def add(self, values: Mapping[str, str]) -> None:
        """Store values of keys that have none yet; of several processes that add one, the first wins."""

    def put(self, key: str, value: str) -> None:
        """Store a value, in place of the one that was there."""


class InMemoryKeyValues:
    """A store that ends with its process."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def read(self, keys: Collection[str]) -> dict[str, str]:
        """The values of those keys that have one."""
        return {key: self._values[key] for key in keys if key in self._values}

    def add(self, values: Mapping[str, str]) -> None:
        """Store values of keys that have none yet."""
        for key, value in values.items():
            self._values.setdefault(key, value)

    def put(self, key: str, value: str) -> None:
        """Store a value, in place of the one that was there."""
        self._values[key] = value
