"""What a user configures: the body of a workflow, strictly read.

As with sources, every problem of a body is found in one reading.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    ValidationError,
)

from pipedrive_orchestration.sources.problems import InvalidBodyError, Problem, problems_of
from pipedrive_orchestration.sources.slugs import check_slug
from pipedrive_orchestration.sources.texts import Text
from pipedrive_orchestration.workflows.actions import MODELS as ACTION_MODELS
from pipedrive_orchestration.workflows.actions import Action
from pipedrive_orchestration.workflows.inputs import Input, Output, without_braces
from pipedrive_orchestration.workflows.mapping import problems_of_mapping

_Model = TypeVar("_Model", bound=BaseModel)

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "pipedrive_orchestration/workflows")


def _plain_references(mapping: Any) -> Any:
    if not isinstance(mapping, Mapping):
        return mapping
    return {without_braces(key) if isinstance(key, str) else key: value for key, value in mapping.items()}


class Sync(BaseModel):
    """The link from a source to a workflow.

    Attributes:
        source: the source's slug.
        field_mapping: the property behind each input, by the input's reference.
        push_existing: whether the records become rows that are there when the sync starts.
        run: which of those rows are queued; later ones are if the workflow has ``auto_run``.
        on_update: what a record that changed does to its row: nothing, a change of the row, or a new row.
        on_remove: what becomes of the row of a record that left the source.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Annotated[StrictStr, AfterValidator(check_slug)]
    field_mapping: Annotated[dict[StrictStr, Text], BeforeValidator(_plain_references), Field(min_length=1)]
    push_existing: StrictBool = True
    run: Literal["all", "first_10", "none"] = "all"
    on_update: Literal["ignore", "update", "append"] = "ignore"
    on_remove: Literal["keep", "flag", "delete"] = "keep"


class WorkflowBody(BaseModel):
    """What a user says of a workflow."""

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
    """What a file may hold: a body, and an id where there is one. Its name is the slug."""

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
    """What no field can tell of itself, found also where others are wrong."""
    inputs = _readable(data.get("inputs"), Input)
    problems = _repeated("inputs", [one.reference for one in inputs], "duplicate_input", "are one input")
    syncs = _mappings(data.get("syncs"))
    sources = [str(sync.get("source")) for _, sync in syncs]
    problems += _repeated("syncs", sources, "duplicate_source", "have one source; a sync is all there is")
    for index, sync in syncs:
        at = f"syncs[{index}].field_mapping"
        problems += problems_of_mapping(sync.get("field_mapping"), inputs, at=at)
    actions = _mappings(data.get("actions"))
    names = [str(action.get("name")) for _, action in actions]
    problems += _repeated("actions", names, "duplicate_action", "have one name")
    columns = [one.key for one in inputs]
    for _, action in actions:
        outputs = action.get("outputs") or []
        written = [action.get("output"), *(outputs if isinstance(outputs, Sequence) else [])]
        columns += [output.key for output in _readable([each for each in written if each], Output)]
    problems += _repeated("actions", columns, "duplicate_column", "are one column", beside=len(inputs))
    return problems


def _repeated(field: str, names: Sequence[str], code: str, why: str, beside: int = 0) -> list[Problem]:
    # Of names that another field has told of already, only those that come again are new.
    told = {name for name, count in Counter(names[:beside]).items() if count > 1}
    return [
        Problem(field, code, f"{count} of them {why}: `{name}`.")
        for name, count in Counter(names).items()
        if count > 1 and name not in told
    ]


def _mappings(items: Any) -> list[tuple[int, Mapping[Any, Any]]]:
    listed = items if isinstance(items, list | tuple) else []
    return [(index, item) for index, item in enumerate(listed) if isinstance(item, Mapping)]


def _readable(items: Any, model: type[_Model]) -> list[_Model]:
    found = []
    for item in items if isinstance(items, list | tuple) else []:
        try:
            found.append(model.model_validate(item))
        except ValidationError:
            continue
    return found
