"""Query parameters: the values that each takes; whatever an operation does not declare is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticCustomError

from pipedrive_orchestration.demo.account.schemas import SCHEMAS
from pipedrive_orchestration.demo.clock import V1_TIME, V2_TIME
from pipedrive_orchestration.demo.errors import ApiError, bad_request
from pipedrive_orchestration.demo.operations import Operation, Parameter

MAX_PAGE_SIZE = 500
MAX_IDS = 100
MAX_CUSTOM_FIELDS = 15

Sorting = tuple[tuple[str, bool], ...]
"""Properties to sort by, first the weightiest, each with whether it descends."""


class Query(BaseModel):
    """No parameters at all; the base of all others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def parse(operation: Operation, given: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Every query parameter of an operation: what is given, and the defaults of the others.

    Raises:
        ApiError: 400 naming every unknown, missing, repeated or malformed parameter.
    """
    names = [name for name, _ in given]
    values = dict(given)
    if len(values) != len(names):
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise bad_request(operation.version, [f"{name}: This parameter is given twice." for name in repeated])
    try:
        return _model(operation).model_validate(values).model_dump(by_alias=True)
    except ValidationError as error:
        raise refusal(operation.version, error) from None


@cache
def _model(operation: Operation) -> type[Query]:
    fields: dict[str, Any] = {}
    for parameter in operation.parameters:
        kind, default = _field(operation, parameter)
        # No field of a model has points in its name.
        fields[parameter.name.replace(".", _POINT)] = (kind, Field(default, alias=parameter.name))
    return create_model("OperationQuery", __base__=Query, **fields)


_POINT = "__"


def _field(operation: Operation, parameter: Parameter) -> tuple[Any, Any]:
    name, choices = parameter.name, parameter.choices
    schema = SCHEMAS.get(operation.resource)
    if name == "include_fields" and schema is not None:
        choices = choices or tuple(schema.optional)
    if name == "sort_by" and schema is not None and not choices:
        return Literal[schema.sortable], "id"
    if name == "sort":
        return Annotated[Sorting, _sorting(choices, _MOST_SORTED.get(operation.resource, 1))], ()
    if choices and name in _LISTS:
        return Annotated[tuple[str, ...], _words(choices)], ()
    if name == "limit" and operation.path in _SMALL_PAGES:
        most = _SMALL_PAGES[operation.path]
        return _read_by(_integer, int, Field(ge=1, le=most)), most
    kind = Literal[choices] if choices else _TYPES[name]
    if parameter.required:
        return kind, ...
    return kind | None, _DEFAULTS.get(name)


def refusal(version: str, error: ValidationError) -> ApiError:
    """The 400 that tells of all problems a model found; never repeats the values given."""
    return bad_request(version, sentences(error))


def sentences(error: ValidationError) -> list[str]:
    """What a model found, a sentence each."""
    return [_problem(detail) for detail in error.errors(include_url=False)]


_OWN_WORDS = {
    "extra_forbidden": "This key is not allowed",
    "model_type": "This value should be of type object",
}
"""What is said instead of pydantic's own words, which name our models."""


def _problem(detail: Any) -> str:
    place = ".".join(str(part) for part in detail["loc"])
    text = _OWN_WORDS.get(detail["type"], detail["msg"].rstrip("."))
    return f"{place}: {text}." if place else f"{text}."


def _wrong(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("demo", sentence)


def _integer(text: str) -> int:
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise _wrong("This value should be of type integer")
    return int(text)


def _boolean(text: str) -> bool:
    if text not in {"true", "false"}:
        raise _wrong("This value should be of type boolean")
    return text == "true"


def _flag(text: str) -> bool:
    if text not in {"0", "1"}:
        raise _wrong("This value should be 0 or 1")
    return text == "1"


def _instant(text: str, time_format: str, length: int) -> datetime:
    if len(text) != length:  # strptime would also accept single digits
        raise _wrong("This value is not a valid datetime")
    try:
        return datetime.strptime(text, time_format).replace(tzinfo=UTC)
    except ValueError:
        raise _wrong("This value is not a valid datetime") from None


def v2_instant(text: str) -> datetime:
    """``2026-05-15T09:58:01Z``; fractions and other forms are refused (docs/pipedrive-api.md#times)."""
    return _instant(text, V2_TIME, 20)


def v1_instant(text: str) -> datetime:
    """``2026-05-15 09:58:01``, the form that recents takes."""
    return _instant(text, V1_TIME, 19)


def calendar_date(text: str) -> str:
    """``2026-05-15``, if there is such a day."""
    _instant(f"{text}T00:00:00Z", V2_TIME, 20)
    return text


def uuid_text(text: str) -> str:
    """A UUID in its usual form."""
    try:
        return str(UUID(text))
    except ValueError:
        raise _wrong("This value is not a valid UUID") from None


def _number(text: str) -> float:
    if not re.fullmatch(r"\d{1,15}(\.\d+)?", text, re.ASCII):
        raise _wrong("This value should be of type number")
    return float(text)


def _task_or_null(text: str) -> int:
    """A task's id, or 0 for the tasks that are below none."""
    return 0 if text == "null" else _integer(text)


def _ids(text: str) -> tuple[int, ...]:
    ids = tuple(_integer(part.strip()) for part in text.split(","))
    if len(ids) > MAX_IDS:
        raise _wrong(f"At most {MAX_IDS} ids can be given")
    return ids


def _split(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    if not all(names):
        raise _wrong("An empty name is not allowed")
    return names


def _known(names: tuple[str, ...], choices: Iterable[str]) -> tuple[str, ...]:
    allowed = sorted(choices)
    if not set(names) <= set(allowed):
        raise _wrong(f"This value should be one of {', '.join(allowed)}")
    return names


def _words(choices: Iterable[str]) -> BeforeValidator:
    """Reads a comma list of known words."""
    return BeforeValidator(lambda text: _known(_split(text), choices))


def _sorting(properties: Iterable[str], most: int) -> BeforeValidator:
    """Reads ``update_time``, ``update_time DESC`` or, up to so many of them, a comma list."""
    terms = [f"{prop}{order}" for prop in properties for order in ("", " ASC", " DESC")]

    def read(text: str) -> Sorting:
        chosen = _known(_split(text), terms)
        if len(chosen) > most:
            raise _wrong(f"At most {most} of these can be given")
        return tuple((term.split(" ")[0], term.endswith(" DESC")) for term in chosen)

    return BeforeValidator(read)


def _read_by(reader: Callable[[str], Any], kind: Any, *limits: Any) -> Any:
    return Annotated[kind, BeforeValidator(reader), *limits]


_LISTS = {"status", "fields", "include_fields", "items", "item_types"}
"""Parameters that take several of their words, with commas between them."""

_MOST_SORTED = {"notes": 8}
"""By how many properties a v1 list can be sorted, where it is more than one."""

_SMALL_PAGES = {"/callLogs": 50, "/files": 100}
"""Largest pages of lists, by path, where they are not the usual ones; they are the default, too."""

_KINDS: dict[str, Any] = {
    "text": str,
    "integer": _read_by(_integer, int),
    "page size": _read_by(_integer, int, Field(ge=1, le=MAX_PAGE_SIZE)),
    "number": _read_by(_number, float),
    "task": _read_by(_task_or_null, int),
    "ids": _read_by(_ids, tuple[int, ...]),
    "names": _read_by(_split, tuple[str, ...], Field(max_length=MAX_CUSTOM_FIELDS)),
    "boolean": _read_by(_boolean, bool),
    "flag": _read_by(_flag, bool),
    "uuid": _read_by(uuid_text, str),
    "v1 instant": _read_by(v1_instant, datetime),
    "v2 instant": _read_by(v2_instant, datetime),
    "date": _read_by(calendar_date, str),
    "direction": Literal["asc", "desc"],
}
_TABLE = """text: cursor term title; page size: limit; number: expected_outcome.target; task: parent_task_id;
    integer: start assignee.id filter_id owner_id user_id person_id org_id organization_id deal_id pipeline_id
        stage_id project_id task_id board_id phase_id assignee_id type.params.pipeline_id type.params.stage_id
        type.params.activity_type_id expected_outcome.currency_id;
    ids: ids deal_ids; names: custom_fields; uuid: lead_id; direction: sort_direction;
    boolean: is_done is_milestone is_active visible done exact_match search_for_related_items
        include_option_labels include_labels include_field_code;
    flag: include_body all_changes skip_users pinned_to_lead_flag pinned_to_deal_flag pinned_to_person_flag
        pinned_to_organization_flag pinned_to_project_flag pinned_to_task_flag;
    v1 instant: since_timestamp; v2 instant: updated_since updated_until;
    date: start_date end_date period.start period.end"""
_TYPES = {
    name: _KINDS[kind.strip()]
    for kind, _, names in (line.partition(":") for line in _TABLE.split(";"))
    for name in names.split()
}
"""What each parameter takes that is not limited to words."""

_DEFAULTS = {"limit": 100, "start": 0, "sort_by": "id", "sort_direction": "asc"}
