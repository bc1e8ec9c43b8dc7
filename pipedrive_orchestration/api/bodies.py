"""The bodies that calls take beside that of a source."""

from __future__ import annotations

from typing import Any, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, ValidationError

from pipedrive_orchestration.sources import InvalidBodyError
from pipedrive_orchestration.sources.problems import problems_of

Body = TypeVar("Body", bound=BaseModel)


class OptionsContext(BaseModel):
    """What properties are wanted for."""

    model_config = ConfigDict(extra="forbid")

    object_type: StrictStr


class OptionsBody(BaseModel):
    """The body of a request for property options."""

    model_config = ConfigDict(extra="forbid")

    context: OptionsContext


class StatusBody(BaseModel):
    """The body that pauses or resumes a source."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["active", "paused"]


class SyncBody(BaseModel):
    """The body that syncs a source to a workflow."""

    model_config = ConfigDict(extra="forbid")

    workflow_id: UUID
    field_mapping: dict[StrictStr, StrictStr] = Field(
        description="Properties by reference of the input, such as `input.email`; braces are tolerated."
    )
    push_existing: StrictBool = Field(
        default=True, description="Whether rows that are there already are synced."
    )
    run: Literal["all", "first_10", "none"] = Field("all", description="Which of those rows are run.")
    on_update: Literal["ignore", "update", "append"] = Field(
        "ignore", description="What becomes of a row when its record changes."
    )
    on_remove: Literal["keep", "flag", "delete"] = Field(
        "keep", description="What becomes of a row when its record is removed."
    )


def parsed(model: type[Body], data: Any) -> Body:
    """A body as its model.

    Raises:
        InvalidBodyError: with everything that is wrong with it.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InvalidBodyError(problems_of(error, {"": model, "context": OptionsContext})) from None
