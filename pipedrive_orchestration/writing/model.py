"""The model of a write: which rows change which records of which collection, as its file says it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import duckdb
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    ValidationError,
)

from pipedrive_orchestration.pipedrive.requests import PLANNED, WRITABLE, WritableType
from pipedrive_orchestration.sources.cron import InvalidCronError, parse_cron
from pipedrive_orchestration.sources.model import check_slug
from pipedrive_orchestration.sources.validation import (
    InvalidBodyError,
    Problem,
    Text,
    did_you_mean,
    problems_of,
    refusal,
)

ID = "id"
"""The property by which a row names its record, where it knows the record's id."""


def _object_type(name: str) -> str:
    if name not in PLANNED:
        known = ", ".join(PLANNED)
        alone = " `record` can write single ones." if name in WRITABLE else ""
        message = f"`{name}` cannot be planned.{alone}{did_you_mean(name, PLANNED)} What can: {known}."
        raise refusal("unknown_object_type", message)
    return name


def _query(text: str) -> str:
    # Parsing opens no database.
    try:
        parsed = duckdb.extract_statements(text)
    except duckdb.Error as error:
        raise refusal("invalid_query", f"This is not SQL: {str(error).splitlines()[0]}") from None
    if len(parsed) != 1 or parsed[0].type != duckdb.StatementType.SELECT:
        raise refusal("invalid_query", "Must be one query: SELECT ...")
    return text.strip().rstrip(";").rstrip()


def _file(text: str) -> str:
    if text.startswith(("/", "\\", "~")) or ".." in text.replace("\\", "/").split("/") or ":" in text:
        raise refusal("invalid_file", "Must be a file in the project folder, named from there.")
    if not re.search(r"\.(csv|json|jsonl|ndjson|parquet)$", text, re.IGNORECASE):
        raise refusal("invalid_file", "Must be a .csv, .json, .jsonl, .ndjson or .parquet file.")
    return text


def _cron(text: str) -> str:
    try:
        return parse_cron(text)
    except InvalidCronError as error:
        raise refusal("invalid_cron", str(error)) from None


class Limits(BaseModel):
    """The limits of a write, for each plan.

    Attributes:
        changes: most records that are created and updated.
        deletes: most records that are deleted.
        tokens: after so many one application of a plan stops; it goes on when it is applied again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    changes: Annotated[StrictInt, Field(ge=0)] = 1000
    deletes: Annotated[StrictInt, Field(ge=0)] = 0
    tokens: Annotated[StrictInt, Field(ge=1)] = 5000


Operation = Literal["create", "update", "upsert", "delete"]
"""What a write does with the records of its rows."""

OnConflict = Literal["theirs", "ours", "fill_empty"]
"""Whose value stays where a record is not as it was when we last read or wrote it."""


class WriteBody(BaseModel):
    """The body of a write, as a user writes it.

    Attributes:
        rows, file, workflow: where its rows come from; one of the three.
        source: the source in whose table the records are looked for; an unfiltered one of the object type if
            left out.
        match: by which columns of a row its record is known: column to property.
        fields: what is written: column to property.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text
    object_type: Annotated[StrictStr, AfterValidator(_object_type)]
    operation: Operation
    rows: Annotated[Text, AfterValidator(_query)] | None = None
    file: Annotated[Text, AfterValidator(_file)] | None = None
    workflow: Annotated[StrictStr, AfterValidator(check_slug)] | None = None
    source: Annotated[StrictStr, AfterValidator(check_slug)] | None = None
    match: Annotated[dict[StrictStr, Text], Field(min_length=1)]
    fields: dict[StrictStr, Text] = Field(default_factory=dict)
    on_conflict: OnConflict = "theirs"
    limits: Limits = Limits()
    apply: Literal["by_hand", "automatic"] = "by_hand"
    schedule: Annotated[StrictStr, AfterValidator(_cron)] | None = None

    @property
    def type(self) -> WritableType:
        """The collection."""
        return PLANNED[self.object_type]

    @property
    def is_matched_by_id(self) -> bool:
        """Whether rows name their records by id."""
        return list(self.match.values()) == [ID]

    @classmethod
    def parse(cls, data: Any) -> Self:
        """Reads the content of a file; a field that is null counts as absent.

        Raises:
            InvalidBodyError: With every problem found.
        """
        if not isinstance(data, Mapping):
            message = (
                "A write is a mapping of fields to values, with at least name, object_type and operation."
            )
            raise InvalidBodyError([Problem("", "not_a_mapping", message)])
        data = {str(field): value for field, value in data.items() if value is not None}
        problems: list[Problem] = []
        try:
            body = cls.model_validate(data)
        except ValidationError as error:
            problems = problems_of(error, {"": cls, "limits": Limits})
        problems += _problems_across(data)
        if problems:
            raise InvalidBodyError(problems)
        return body


class WriteFile(WriteBody):
    """The content of a write's file: a body, and an id where there is one. Its name is the slug."""

    id: uuid.UUID | None = None


_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "pipedrive_orchestration/writes")


class Write(WriteBody):
    """A write with its identity: ``slug`` names its file and its asset."""

    id: uuid.UUID
    slug: Annotated[StrictStr, AfterValidator(check_slug)]

    @classmethod
    def of(cls, slug: str, file: WriteFile) -> Write:
        """The write of a file, with an id derived of its slug where the file has none."""
        fields = {field: getattr(file, field) for field in WriteBody.model_fields}
        return cls(**fields | {"slug": slug, "id": file.id or uuid.uuid5(_NAMESPACE, slug)})


ORIGINS = ("rows", "file", "workflow")
"""The fields that say where rows come from."""


def _problems_across(data: Mapping[str, Any]) -> list[Problem]:
    """Problems that no field has by itself, found also where others are wrong."""
    problems = []
    given = [origin for origin in ORIGINS if origin in data]
    if not given:
        message = "One of rows, file and workflow says where the rows come from."
        problems.append(Problem("rows", "missing", message))
    problems += [
        Problem(origin, "several_origins", f"`{given[0]}` says already where the rows come from.")
        for origin in given[1:]
    ]
    operation, fields, match = data.get("operation"), data.get("fields"), data.get("match")
    if operation == "delete" and fields:
        problems.append(
            Problem("fields", "not_written", "A deletion writes no properties; leave fields out.")
        )
    if operation in ("create", "update", "upsert") and not fields:
        problems.append(Problem("fields", "missing", "Name at least one column and its property."))
    if isinstance(match, Mapping) and ID in match.values():
        at = next(column for column, prop in match.items() if prop == ID)
        if len(match) > 1:
            problems.append(Problem(f"match.{at}", "id_with_others", "An id is enough to know a record."))
        if operation in ("create", "upsert"):
            message = "A new record has no id yet: match by a property that is written."
            problems.append(Problem(f"match.{at}", "id_of_new", message))
    offered = PLANNED.get(str(data.get("object_type")))
    if offered is not None:
        needed = {"create": (offered.create,), "update": (offered.update,), "delete": (offered.delete,),
                  "upsert": (offered.create, offered.update)}.get(str(operation), ())  # fmt: skip
        if None in needed:
            message = f"Pipedrive has no way to {operation} {offered.name}."
            problems.append(Problem("operation", "not_offered", message))
    return problems
