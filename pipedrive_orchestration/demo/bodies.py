"""Request bodies: strict models, in which nothing is coerced and nothing unknown is let through."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from pipedrive_orchestration.demo.call import Call
from pipedrive_orchestration.demo.errors import bad_request
from pipedrive_orchestration.demo.parameters import calendar_date, refusal, uuid_text, v2_instant


class Body(BaseModel):
    """The base of all bodies. Defaults stand for "not given" and are never read: see `read`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


B = TypeVar("B", bound=Body)


def read(call: Call, model: type[B]) -> dict[str, Any]:
    """The keys that the call's body gives.

    Raises:
        ApiError: 400 naming every unknown, missing or malformed key.
    """
    content = call.json()
    if not isinstance(content, dict):
        raise bad_request(call.version, ["The request body has to be a JSON object."])
    try:
        return model.model_validate(content).model_dump(exclude_unset=True)
    except ValidationError as error:
        raise refusal(call.version, error) from None


def read_list(call: Call, model: type[B]) -> list[dict[str, Any]]:
    """The same for a body that is a list of such objects, one at least.

    Raises:
        ApiError: 400 naming every problem.
    """
    items: TypeAdapter[list[B]] = TypeAdapter(list[model])  # type: ignore[valid-type]  # made at run time
    try:
        given = items.validate_python(call.json())
    except ValidationError as error:
        raise refusal(call.version, error) from None
    if not given:
        raise bad_request(call.version, ["The request body has to hold one object at least."])
    return [item.model_dump(exclude_unset=True) for item in given]


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("demo", "This value should be a non-empty string; use null to clear it")
    return text


def _instant(text: str) -> str:
    v2_instant(text)
    return text


def _time_of_day(text: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?", text):
        raise PydanticCustomError("demo", "This value is not a valid time")
    return text


Text = Annotated[str, AfterValidator(_not_blank)]
Id = Annotated[int, Field(gt=0)]
Number = float
Instant = Annotated[str, AfterValidator(_instant)]
Date = Annotated[str, AfterValidator(calendar_date)]
TimeOfDay = Annotated[str, AfterValidator(_time_of_day)]
Uuid = Annotated[str, AfterValidator(uuid_text)]
CustomFields = dict[str, Any]
