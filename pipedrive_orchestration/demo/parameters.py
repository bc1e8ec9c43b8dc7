"""Query parameters: each endpoint declares a model, and whatever it does not declare is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from pipedrive_orchestration.demo.call import Call
from pipedrive_orchestration.demo.clock import V1_TIME, V2_TIME
from pipedrive_orchestration.demo.errors import ApiError, bad_request
from pipedrive_orchestration.pipedrive.object_types import MAX_IDS_PER_REQUEST, MAX_PAGE_SIZE


class Query(BaseModel):
    """No parameters at all; the base of all others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Q = TypeVar("Q", bound=Query)


def parse(call: Call, model: type[Q]) -> Q:
    """The call's query parameters.

    Raises:
        ApiError: 400 naming every unknown, repeated or malformed parameter.
    """
    given = dict(call.query)
    if len(given) != len(call.query):
        repeated = {name for name, _ in call.query if sum(name == other for other, _ in call.query) > 1}
        raise bad_request(
            call.version, [f"{name}: This parameter is given twice." for name in sorted(repeated)]
        )
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise refusal(call.version, error) from None


def refusal(version: str, error: ValidationError) -> ApiError:
    """The 400 that tells of all problems a model found; never repeats the values given."""
    return bad_request(version, [_problem(detail) for detail in error.errors(include_url=False)])


def _problem(detail: Any) -> str:
    place = ".".join(str(part) for part in detail["loc"])
    text = (
        "This key is not allowed." if detail["type"] == "extra_forbidden" else detail["msg"].rstrip(".") + "."
    )
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


def _ids(text: str) -> tuple[int, ...]:
    ids = tuple(_integer(part.strip()) for part in text.split(","))
    if len(ids) > MAX_IDS_PER_REQUEST:
        raise _wrong(f"At most {MAX_IDS_PER_REQUEST} ids can be given")
    return ids


def uuid_text(text: str) -> str:
    """A UUID in its usual form."""
    try:
        return str(UUID(text))
    except ValueError:
        raise _wrong("This value is not a valid UUID") from None


def words(text: str) -> tuple[str, ...]:
    """A comma list of names."""
    names = tuple(part.strip() for part in text.split(","))
    if not all(names):
        raise _wrong("An empty name is not allowed")
    return names


def one_of(text: str, known: Iterable[str]) -> str:
    """The text, if it is one of the known names."""
    allowed = sorted(known)
    if text not in allowed:
        raise _wrong(f"This value should be one of {', '.join(allowed)}")
    return text


def choices(*known: str) -> BeforeValidator:
    """Reads a comma list whose names are all known."""
    return BeforeValidator(lambda text: tuple(one_of(name, known) for name in words(text)))


Names = tuple[str, ...]
Integer = Annotated[int, BeforeValidator(_integer)]
Boolean = Annotated[bool, BeforeValidator(_boolean)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Instant = Annotated[datetime, BeforeValidator(v2_instant)]
V1Instant = Annotated[datetime, BeforeValidator(v1_instant)]
Date = Annotated[str, BeforeValidator(calendar_date)]
IdList = Annotated[tuple[int, ...], BeforeValidator(_ids)]
Uuid = Annotated[str, BeforeValidator(uuid_text)]
Words = Annotated[tuple[str, ...], BeforeValidator(words)]
Limit = Annotated[Integer, Field(ge=1, le=MAX_PAGE_SIZE)]
Direction = Literal["asc", "desc"]
