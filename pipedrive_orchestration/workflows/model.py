"""The model of a workflow: its inputs, syncs and actions, as its file says them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

import duckdb
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    Tag,
    ValidationError,
)

from pipedrive_orchestration.pipedrive.requests import PLANNED
from pipedrive_orchestration.settings import SECRET_PREFIX
from pipedrive_orchestration.sources.model import check_slug
from pipedrive_orchestration.sources.validation import (
    InvalidBodyError,
    Problem,
    Text,
    did_you_mean,
    problems_of,
    refusal,
    tag,
)
from pipedrive_orchestration.workflows.inputs import Input, Output, without_braces
from pipedrive_orchestration.workflows.mapping import problems_of_mapping


def _expression(text: str) -> str:
    # Parsing opens no database.
    try:
        parsed = duckdb.extract_statements(f"SELECT (\n{text}\n)")
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise refusal("invalid_expression", f"This is not an SQL expression: {reason}") from None
    if len(parsed) != 1:
        raise refusal("invalid_expression", "This is more than one SQL expression.")
    return text


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise refusal("invalid_url", f"`{text}` is not an address; write it as https://host/path.")
    if parts.username is not None or parts.password is not None:
        raise refusal("secret_in_url", "Keep the secret in the environment, and name the variable as secret.")
    return text


def _variable(text: str) -> str:
    if not re.fullmatch(rf"{SECRET_PREFIX}[A-Z0-9_]+", text):
        raise refusal(
            "invalid_variable",
            f"Must be the name of an environment variable, {SECRET_PREFIX} and more, never the secret.",
        )
    return text


class SqlAction(BaseModel):
    """Fills a column with the value of an expression over the inputs and the outputs before it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["sql"]
    name: Text
    expression: Annotated[Text, AfterValidator(_expression)]
    output: Output

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The columns it fills."""
        return (self.output,)


class HttpAction(BaseModel):
    """Posts rows as JSON, and fills columns from the answer.

    Attributes:
        secret: the environment variable whose value is sent as a bearer token.
        timeout: seconds one request may take.
        tries: how often a request is sent while it meets no answer, 429 or 5xx.
        batch_size: most rows of one request.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["http"]
    name: Text
    url: Annotated[StrictStr, AfterValidator(_url)]
    secret: Annotated[StrictStr, AfterValidator(_variable)] | None = None
    timeout: Annotated[StrictInt, Field(ge=1, le=60)] = 10
    tries: Annotated[StrictInt, Field(ge=1, le=5)] = 3
    batch_size: Annotated[StrictInt, Field(ge=1, le=1000)] = 100
    outputs: tuple[Output, ...] = ()


def _planned(name: str) -> str:
    if name not in PLANNED:
        message = f"`{name}` cannot be written.{did_you_mean(name, PLANNED)} What can: {', '.join(PLANNED)}."
        raise refusal("unknown_object_type", message)
    return name


class PipedriveAction(BaseModel):
    """Creates or changes a record of the account for each row, and fills a column with the record's id.

    Attributes:
        match: by which columns of a row its record is known: column to property.
        fields: what is written: column to property.
        source: the source in whose table records are looked for; an unfiltered one of the object type if
            left out.
        on_conflict: whose value stays where a record is not as it was when this action last wrote it.
        output: the column of the record's id.
        batch_size: most rows that are planned together.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["pipedrive"]
    name: Text
    object_type: Annotated[StrictStr, AfterValidator(_planned)]
    operation: Literal["create", "update", "upsert"] = "upsert"
    match: Annotated[dict[StrictStr, Text], Field(min_length=1)]
    fields: Annotated[dict[StrictStr, Text], Field(min_length=1)]
    source: Annotated[StrictStr, AfterValidator(check_slug)] | None = None
    on_conflict: Literal["theirs", "ours", "fill_empty"] = "theirs"
    output: Output | None = None
    batch_size: Annotated[StrictInt, Field(ge=1, le=10_000)] = 1000

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The columns it fills."""
        return () if self.output is None else (self.output,)


_KINDS: dict[str, type[BaseModel]] = {"sql": SqlAction, "http": HttpAction, "pipedrive": PipedriveAction}


def _kind(item: Any) -> str | None:
    kind = item.get("type") if isinstance(item, Mapping) else getattr(item, "type", None)
    model = _KINDS.get(kind) if isinstance(kind, str) else None
    return tag(model) if model else None


Action = Annotated[
    Annotated[SqlAction, Tag(tag(SqlAction))]
    | Annotated[HttpAction, Tag(tag(HttpAction))]
    | Annotated[PipedriveAction, Tag(tag(PipedriveAction))],
    Discriminator(
        _kind,
        custom_error_type="unknown_action",
        custom_error_message="An action is a mapping whose type is sql, http or pipedrive.",
    ),
]
"""One step of the work on a row."""

ACTION_MODELS: dict[str, type[BaseModel]] = {
    tag(SqlAction): SqlAction,
    tag(HttpAction): HttpAction,
    tag(PipedriveAction): PipedriveAction,
    "output": Output,
    "outputs": Output,
}
"""The models of actions by where a problem stands."""


_Model = TypeVar("_Model", bound=BaseModel)

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "pipedrive_orchestration/workflows")


def _plain_references(mapping: Any) -> Any:
    if not isinstance(mapping, Mapping):
        return mapping
    return {without_braces(key) if isinstance(key, str) else key: value for key, value in mapping.items()}


class RowsToRun(StrEnum):
    """The rows of records imported before, for which a run is queued."""

    ALL = "all"
    FIRST_10 = "first_10"
    NONE = "none"


class OnUpdate(StrEnum):
    """The effect of a changed record on its row: none, a change of the row, or a new row."""

    IGNORE = "ignore"
    UPDATE = "update"
    APPEND = "append"


class OnRemove(StrEnum):
    """The effect of a removed record on its row."""

    KEEP = "keep"
    FLAG = "flag"
    DELETE = "delete"


class SyncRules(BaseModel):
    """The rules of a sync beside its mapping; a user may leave all of them out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    push_existing: StrictBool = Field(
        default=True, description="Whether records imported before become rows as well."
    )
    run: RowsToRun = Field(
        default=RowsToRun.ALL, description="Which of those rows are run; later ones are with auto_run."
    )
    on_update: OnUpdate = Field(
        default=OnUpdate.IGNORE, description="What becomes of a row when its record changes."
    )
    on_remove: OnRemove = Field(
        default=OnRemove.KEEP, description="What becomes of a row when its record is removed."
    )


class _Link(BaseModel):
    source: Annotated[StrictStr, AfterValidator(check_slug)]
    field_mapping: Annotated[dict[StrictStr, Text], BeforeValidator(_plain_references), Field(min_length=1)]


class Sync(SyncRules, _Link):  # the fields of the last base come first, in files and in problems
    """The link from a source to a workflow.

    Attributes:
        source: the source's slug.
        field_mapping: the property behind each input, by the input's reference.
    """


class WorkflowBody(BaseModel):
    """The body of a workflow, as a user writes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text
    inputs: tuple[Input, ...] = Field(min_length=1)
    auto_run: StrictBool = True
    syncs: tuple[Sync, ...] = ()
    actions: tuple[Action, ...] = ()

    @classmethod
    def parse(cls, data: Any) -> Self:
        """Reads the content of a file; a field that is null counts as absent.

        Raises:
            InvalidBodyError: With every problem found.
        """
        if not isinstance(data, Mapping):
            raise InvalidBodyError(
                [Problem("", "not_a_mapping", "A workflow is a mapping of fields to values, with at least "
                         "name and inputs.")]
            )  # fmt: skip
        data = {str(field): value for field, value in data.items() if value is not None}
        problems: list[Problem] = []
        try:
            body = cls.model_validate(data)
        except ValidationError as error:
            problems = problems_of(error, {"": cls, **_MODELS})
        problems += _problems_across(data)
        if problems:
            raise InvalidBodyError(problems)
        return body


_MODELS: dict[str, type[BaseModel]] = {"inputs": Input, "syncs": Sync, **ACTION_MODELS}


class WorkflowFile(WorkflowBody):
    """The content of a workflow's file: a body, and an id where there is one. Its name is the slug."""

    id: uuid.UUID | None = None


class Workflow(WorkflowBody):
    """A workflow with its identity: ``slug`` names its file, its asset and its table."""

    id: uuid.UUID
    slug: Annotated[StrictStr, AfterValidator(check_slug)]

    @classmethod
    def of(cls, slug: str, file: WorkflowFile) -> Workflow:
        """The workflow of a file, with an id derived of its slug where the file has none."""
        fields = {field: getattr(file, field) for field in WorkflowBody.model_fields}
        return cls(**fields | {"slug": slug, "id": file.id or uuid.uuid5(_NAMESPACE, slug)})

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The columns that its actions fill."""
        return tuple(output for action in self.actions for output in action.outputs)

    def sync_of(self, source: str) -> Sync | None:
        """The sync of a source, by the source's slug."""
        return next((sync for sync in self.syncs if sync.source == source), None)

    def sync_id(self, source: str) -> uuid.UUID:
        """The identity of a sync: there is one for each source and workflow, whatever its mapping."""
        return uuid.uuid5(self.id, source)


def _problems_across(data: Mapping[str, Any]) -> list[Problem]:
    """Problems that no field has by itself, found also where others are wrong."""
    inputs = [(f"inputs[{index}]", one) for index, one in _readable(data.get("inputs"), Input)]
    names = [(field, one.reference) for field, one in inputs]
    problems = _repeated(names, "duplicate_input", "each input has a name of its own")
    syncs = [(f"syncs[{index}]", sync) for index, sync in _mappings(data.get("syncs"))]
    sources = [(f"{field}.source", str(sync["source"])) for field, sync in syncs if sync.get("source")]
    problems += _repeated(sources, "duplicate_source", "a source has one sync")
    for field, sync in syncs:
        at = f"{field}.field_mapping"
        problems += problems_of_mapping(sync.get("field_mapping"), [one for _, one in inputs], at=at)
    actions = [(f"actions[{index}]", action) for index, action in _mappings(data.get("actions"))]
    titles = [(f"{field}.name", str(action["name"])) for field, action in actions if action.get("name")]
    problems += _repeated(titles, "duplicate_action", "each action has a name of its own")
    columns = [output for field, action in actions for output in _outputs(field, action)]
    taken = {one.key: field for field, one in inputs}
    problems += _repeated(columns, "duplicate_column", "a column is filled once", taken)
    problems += _unknown_columns(set(taken), actions)
    return problems


def _unknown_columns(known: set[str], actions: Iterable[tuple[str, Mapping[Any, Any]]]) -> Iterator[Problem]:
    """Columns that an action takes from a row and that neither an input nor an earlier action fills."""
    for at, action in actions:
        for part in ("match", "fields") if action.get("type") == "pipedrive" else ():
            named = action.get(part)
            for column in named if isinstance(named, Mapping) else ():
                if column not in known:
                    near = did_you_mean(str(column), known)
                    message = f"No input and no earlier output is called so.{near}"
                    yield Problem(f"{at}.{part}.{column}", "unknown_column", message)
        known |= {key for _, key in _outputs(at, action)}


def _outputs(field: str, action: Mapping[Any, Any]) -> list[tuple[str, str]]:
    """The columns that an action is to fill, each with its place."""
    one = [(f"{field}.output", output.key) for _, output in _readable([action.get("output")], Output)]
    several = _readable(action.get("outputs"), Output)
    return one + [(f"{field}.outputs[{index}]", output.key) for index, output in several]


def _repeated(
    places: Iterable[tuple[str, str]], code: str, why: str, taken: Mapping[str, str] = MappingProxyType({})
) -> list[Problem]:
    """Problems of names that come a second time, and where the first one is.

    Args:
        places: a field and a name that may be given once.
        code: the code of the problems.
        why: the rule.
        taken: the fields of names that are given elsewhere.
    """
    first = dict(taken)
    return [
        Problem(field, code, f"`{name}` stands in {first[name]} already; {why}.")
        for field, name in places
        if first.setdefault(name, field) != field
    ]


def _mappings(items: Any) -> list[tuple[int, Mapping[Any, Any]]]:
    listed = items if isinstance(items, list | tuple) else []
    return [(index, item) for index, item in enumerate(listed) if isinstance(item, Mapping)]


def _readable(items: Any, model: type[_Model]) -> list[tuple[int, _Model]]:
    found = []
    for index, item in enumerate(items if isinstance(items, list | tuple) else []):
        try:
            found.append((index, model.model_validate(item)))
        except ValidationError:
            continue
    return found
