"""The compilation of a filter to SQL: the predicate that decides which typed records are members.

Values become parameters and names become quoted identifiers, so nothing that a body says is ever part
of the SQL's text. A missing value satisfies only `is empty` and the negative conditions. Of several
values, a positive condition needs one that fits, a negative one none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipedrive_orchestration.importing.definition import (
    ALWAYS,
    EVERYTHING,
    NameTest,
    Selection,
    Span,
    columns_of,
)
from pipedrive_orchestration.importing.filters.names import NAMED_TYPES, Names, id_of, read_names
from pipedrive_orchestration.importing.filters.operands import InvalidValueError, Operand, OperandReader
from pipedrive_orchestration.importing.filters.pushdown import (
    Exact,
    IdsByName,
    of_all,
    of_any,
    restrictions_of,
    span_of,
)
from pipedrive_orchestration.importing.filters.sql import BoundValues, element_test
from pipedrive_orchestration.importing.filters.variables import (
    Kind,
    UnknownVariableError,
    Variable,
    compared_as,
    find_variable,
)
from pipedrive_orchestration.pipedrive.account import read_user
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.fields import Field
from pipedrive_orchestration.sources import FilterGroup, FilterLeaf, PreviewBody, Problem
from pipedrive_orchestration.sources.conditions import TRUTH, Condition
from pipedrive_orchestration.sources.filter_model import FilterSubgroup


async def select(
    client: Client,
    body: PreviewBody,
    fields: Sequence[Field],
    *,
    restricting: bool = True,
    now: datetime | None = None,
) -> Selection:
    """The selection that the body's filter means in this account, now.

    Relative dates start from what Pipedrive's clock shows. Asks Pipedrive where the filter names records, and
    where no answer has told that clock yet.

    Args:
        client: the connection in use.
        body: whose filter.
        fields: what the account has, with the other names of each.
        restricting: whether Pipedrive is asked for the id behind a name for the sake of a restriction alone.
        now: what Pipedrive's clock shows, where that is known and no restriction is needed.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    if body.filters is None:
        return EVERYTHING
    wanted = _names_in(body.filters, fields)
    if now is not None:
        return compile_filter(body, fields, await read_names(client, wanted), now)
    if restricting:
        for field_type, text in _restricting_names(body, fields):
            wanted.setdefault(field_type, set()).add(text)
    names = await read_names(client, wanted)
    if not client.clock.is_told:
        await read_user(client)
    return compile_filter(body, fields, names, client.clock.now_at_pipedrive())


def compile_filter(body: PreviewBody, fields: Sequence[Field], names: Names, now: datetime) -> Selection:
    """The selection of a body's filter; all that is wrong with it is among its ``problems``."""
    if body.filters is None:
        return EVERYTHING
    compilation = _Compilation(_Scope(body.object_type, fields, names, now))
    predicate = compilation.group(body.filters, "filters")
    used = tuple(compilation.used.values())
    columns = columns_of(used, fields, body)
    return Selection(
        predicate=predicate,
        values=compilation.values.by_name,
        fields=used,
        columns=columns.typed,
        derived=columns.derived,
        name_tests=tuple(
            NameTest(column, sql)
            for key, sql in compilation.name_tests
            for column in columns.derived
            if column.column.key == key
        ),
        restrictions=restrictions_of(body.type, compilation.required(body.filters), _by_id(fields, names)),
        updated=compilation.updated(body.filters),
        problems=tuple(compilation.problems),
    )


def _names_in(filters: FilterGroup, fields: Sequence[Field]) -> dict[str, set[str]]:
    """The names that stand for records, by field type."""
    named = {field.key: field.field_type for field in fields if field.field_type in NAMED_TYPES}
    wanted: dict[str, set[str]] = {}
    for leaf in _leaves(filters):
        field_type = named.get(leaf.variable)
        for _, value in leaf.given:
            if field_type and isinstance(value, str) and id_of(field_type, value) is None:
                wanted.setdefault(field_type, set()).add(value)
    return wanted


def _restricting_names(body: PreviewBody, fields: Sequence[Field]) -> Iterator[tuple[str, str]]:
    """Names that every member has behind a reference by which Pipedrive can filter, with its field type."""
    by_key = {field.key: field for field in fields}
    for leaf in _required(body.filters) if body.filters else ():
        field = by_key.get(leaf.variable)
        reference = (
            by_key.get(field.record_key) if field and field.derived and field.derived.is_name else None
        )
        if (
            reference is None
            or reference.field_type not in NAMED_TYPES
            or reference.key not in body.type.filters
            or leaf.asks not in (Condition.EQUALS, Condition.IN)
        ):
            continue
        texts = [value for _, value in leaf.given if isinstance(value, str)]
        if len(texts) == 1:
            yield reference.field_type, texts[0]


def _by_id(fields: Sequence[Field], names: Names) -> IdsByName:
    types = {field.key: field.field_type for field in fields}
    return lambda reference, name: names.ids(types[reference], name, case_sensitive=False)


def _leaves(filters: FilterGroup) -> list[FilterLeaf]:
    return [
        leaf
        for member in filters.conditions
        for leaf in ([member] if isinstance(member, FilterLeaf) else member.conditions)
    ]


@dataclass(frozen=True, slots=True)
class _Scope:
    """All that the names and values in a filter can mean, as of ``now``."""

    object_type: str
    fields: Sequence[Field]
    names: Names
    now: datetime


class _Compilation:
    """A filter on its way to SQL."""

    def __init__(self, scope: _Scope) -> None:
        self.problems: list[Problem] = []
        self.values = BoundValues()
        self.used: dict[str, Field] = {}
        self.name_tests: list[tuple[str, str]] = []
        self._exact: dict[int, Exact] = {}
        self._spans: dict[int, Span] = {}
        self._scope = scope

    def group(self, group: FilterGroup | FilterSubgroup, path: str) -> str:
        members = [
            self._leaf(member, f"{path}.conditions[{index}]")
            if isinstance(member, FilterLeaf)
            else self.group(member, f"{path}.conditions[{index}]")
            for index, member in enumerate(group.conditions)
            if isinstance(member, FilterLeaf) or member.conditions
        ]
        return "(" + f" {group.joiner} ".join(members) + ")" if members else "true"

    def required(self, filters: FilterGroup) -> list[Exact]:
        """The values that every member must have, as far as it follows from the shape of the filter."""
        return [self._exact[id(leaf)] for leaf in _required(filters) if id(leaf) in self._exact]

    def updated(self, group: FilterGroup | FilterSubgroup) -> Span:
        """The span in which every member was changed last, as far as the filter tells."""
        spans = [
            self._spans.get(id(member), ALWAYS) if isinstance(member, FilterLeaf) else self.updated(member)
            for member in group.conditions
            if isinstance(member, FilterLeaf) or member.conditions
        ]
        return of_any(spans) if group.joiner == "OR" and spans else of_all(spans)

    def _leaf(self, leaf: FilterLeaf, path: str) -> str:
        variable = self._variable(leaf, path)
        if variable is None:
            return "true"
        self.used[variable.field.key] = variable.field
        if not variable.takes(leaf.asks):
            takes = ", ".join(f"`{condition}`" for condition in variable.conditions)
            shown = "condition" if leaf.condition is not None or leaf.operator is None else "operator"
            self._refuse(
                f"{path}.{shown}",
                "condition_not_supported",
                f"`{leaf.variable}` holds {_article(variable)} and cannot be asked `{leaf.asks}`. "
                f"It takes {takes}.",
            )
            return "true"
        operands = self._operands(leaf, variable, path)
        if leaf.asks in TRUTH:
            self._exact[id(leaf)] = Exact(variable, (leaf.asks is Condition.IS_TRUE,))
        elif leaf.asks in (Condition.EQUALS, Condition.IN):
            self._exact[id(leaf)] = Exact(variable, tuple(operands))
        self._spans[id(leaf)] = span_of(variable, leaf.asks, operands)
        test = self._test(leaf, variable, operands)
        if variable.field.derived is not None:
            self.name_tests.append((variable.field.key, test))
        return test

    def _variable(self, leaf: FilterLeaf, path: str) -> Variable | None:
        try:
            variable = find_variable(leaf.variable, self._scope.fields, self._scope.object_type)
        except UnknownVariableError as error:
            self._refuse(f"{path}.variable", "unknown_variable", str(error))
            return None
        if leaf.variable_type is None:
            return variable
        compared = compared_as(variable, leaf.variable_type)
        if compared is None:
            self._refuse(
                f"{path}.variable_type",
                "variable_type_not_supported",
                f"`{leaf.variable}` holds {_article(variable)} and cannot be compared as "
                f"{leaf.variable_type}. Leave variable_type out to compare it as what it is.",
            )
        return compared

    def _operands(self, leaf: FilterLeaf, variable: Variable, path: str) -> list[Operand]:
        names, now = self._scope.names, self._scope.now
        reader = OperandReader(variable, leaf.asks.positive, names, now, leaf.case_sensitive)
        operands: list[Operand] = []
        for place, value in leaf.given:
            try:
                operands += reader.operands(value)
            except InvalidValueError as error:
                self._refuse(f"{path}.{place}", error.code, str(error))
        return operands

    def _test(self, leaf: FilterLeaf, variable: Variable, operands: list[Operand]) -> str:
        asks = leaf.asks
        if asks is Condition.IS_EMPTY:
            return f"({variable.is_empty})"
        if asks is Condition.IS_NOT_EMPTY:
            return f"(NOT {variable.is_empty})"
        element = "x" if variable.many else variable.value
        test = element_test(
            element,
            variable.kind,
            asks.positive,
            operands,
            self.values,
            case_sensitive=leaf.case_sensitive,
        )
        if variable.many:
            test = f"len(list_filter({variable.value}, lambda x: {test})) > 0"
        return f"(NOT coalesce({test}, false))" if asks.is_negative else f"coalesce({test}, false)"

    def _refuse(self, place: str, code: str, message: str) -> None:
        self.problems.append(Problem(place, code, message))


def _required(filters: FilterGroup) -> list[FilterLeaf]:
    """The leaves that every member satisfies: those that nothing but AND joins to the rest."""
    members = [member for member in filters.conditions if isinstance(member, FilterLeaf) or member.conditions]
    if filters.joiner == "OR" and len(members) > 1:
        return []
    required: list[FilterLeaf] = []
    for member in members:
        if isinstance(member, FilterLeaf):
            required.append(member)
        elif member.joiner == "AND" or len(member.conditions) == 1:
            required += member.conditions
    return required


def _article(variable: Variable) -> str:
    several = "several values, each " if variable.many else ""
    return several + ("an " if variable.kind is Kind.OPTION else "a ") + variable.kind
