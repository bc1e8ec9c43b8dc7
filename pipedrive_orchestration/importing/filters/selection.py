"""What a filter comes to for one account: a predicate over typed records, and what it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pipedrive_orchestration.importing.columns import TypedColumn
from pipedrive_orchestration.pipedrive.fields import Field
from pipedrive_orchestration.sources.validation import Problem


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records are members of a source.

    Attributes:
        predicate: SQL over the typed columns; true or false, never NULL.
        parameters: values of the predicate's named parameters.
        fields: fields that it looks at.
        columns: the same as typed columns.
        restrictions: parameters by which Pipedrive itself leaves out records that the predicate refuses;
            it need not leave out all of them.
        problems: why the filter does not fit the account; nothing is to be read with one that does not.
    """

    predicate: str = "true"
    parameters: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    fields: tuple[Field, ...] = ()
    columns: tuple[TypedColumn, ...] = ()
    restrictions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    problems: tuple[Problem, ...] = ()

    @property
    def resolved(self) -> list[str]:
        """What names, labels and relative dates stand for now; it changes when a filter's meaning does."""
        return [str(value) for value in self.parameters.values()]


EVERYTHING = Selection()
"""No filter: every record is a member."""
