"""What a user configures: the body of a source, strictly read.

The same body is posted, previewed and written as a file. Every problem of a body is found in one
reading, so no rule here waits for another field to be right unless it has to look at it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from pipedrive_orchestration.pipedrive.catalogue import CATALOGUE
from pipedrive_orchestration.pipedrive.object_type import ObjectType
from pipedrive_orchestration.sources.cron import InvalidCronError, parse_cron
from pipedrive_orchestration.sources.filter_leaf import FilterLeaf
from pipedrive_orchestration.sources.filters import FilterGroup
from pipedrive_orchestration.sources.problems import (
    InvalidBodyError,
    Problem,
    did_you_mean,
    problems_of,
    refusal,
    tag,
)
from pipedrive_orchestration.sources.texts import Text, WrittenDate


class PropertyLabel(BaseModel):
    """What a user calls a property."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text
    label: Text
    field_type: Text | None = None


class PropertyOption(BaseModel):
    """A property as the property options offer it; ``value`` is its key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: Text
    label: Text
    extras: dict[str, Any] = Field(default_factory=dict)


PropertyMetadata = Annotated[
    Annotated[PropertyLabel, Tag(tag(PropertyLabel))] | Annotated[PropertyOption, Tag(tag(PropertyOption))],
    Discriminator(
        lambda item: tag(
            PropertyOption
            if isinstance(item, PropertyOption) or (isinstance(item, Mapping) and "value" in item)
            else PropertyLabel
        )
    ),
]
"""One of the two shapes in which a property's label can be given."""


def _month(value: str) -> str:
    if not re.fullmatch(r"(19[7-9]|20[0-9])[0-9]-(0[1-9]|1[0-2])", value):
        raise refusal("invalid_month", f"`{value}` is not a month of 1970 to 2099; write it as YYYY-MM.")
    return value


_OWNER = re.compile(
    r"team:[\w.-]+|[A-Z0-9][\w.%+-]*@[A-Z0-9][A-Z0-9.-]*\.[A-Z]{2,7}", re.ASCII | re.IGNORECASE
)


def _owner(value: str) -> str:
    if not _OWNER.fullmatch(value):
        raise refusal("invalid_owner", f"`{value}` is neither an e-mail address nor `team:<name>`.")
    return value


class Options(BaseModel):
    """Extensions of the body.

    ``partitions`` and ``partitions_start`` shape the grid of windows and are ignored by object types
    that are read as snapshots. ``owners`` are e-mail addresses or ``team:<name>``. ``max_tokens`` is what
    the first import may cost (API facts 5.1): a source that is created and would cost more waits for
    somebody to set it active.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    partitions: Literal["daily", "weekly", "monthly"] = "monthly"
    partitions_start: Annotated[StrictStr, AfterValidator(_month)] | None = None
    include_archived: StrictBool = False
    history: StrictBool = False
    on_leave: Literal["flag", "delete"] = "flag"
    owners: tuple[Annotated[StrictStr, AfterValidator(_owner)], ...] = ()
    max_tokens: Annotated[StrictInt, Field(ge=1, lt=2**63)] | None = None


class SourceBody(BaseModel):
    """The body of a source.

    ``schedule`` and ``expiration_date`` belong to ``pull_mode: active`` and are None otherwise, whatever
    was written. A property is any key that the account may have as a field, so only its form is checked
    here; the importer compares with the account.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text
    object_type: StrictStr
    properties: tuple[Text, ...] = Field(min_length=1)
    properties_metadata: tuple[PropertyMetadata, ...] = ()
    filters: FilterGroup | None = None
    pull_mode: Literal["static", "active"]
    schedule: Annotated[StrictStr | None, Field(validate_default=True)] = None
    expiration_date: WrittenDate | None = None
    pull_existing: StrictBool = True
    options: Options = Options()

    @property
    def type(self) -> ObjectType:
        """The catalogue's row of the object type."""
        return CATALOGUE[self.object_type]

    @property
    def labels(self) -> dict[str, str]:
        """The labels that the user gave, by property."""
        return {
            item.name if isinstance(item, PropertyLabel) else item.value: item.label
            for item in self.properties_metadata
        }

    @classmethod
    def parse(cls, data: Any, *, created_on: date | None = None) -> Self:
        """Reads a body; a field that is null counts as absent.

        Args:
            data: What JSON or YAML made of it.
            created_on: The day (UTC) on which the source is being created, before which its expiration
                must not lie. None for a source that exists: it may well have expired.

        Raises:
            InvalidBodyError: With every problem found.
        """
        if not isinstance(data, Mapping):
            raise InvalidBodyError(
                [Problem("", "not_a_mapping", "A source is a mapping of fields to values, with at least "
                         "name, object_type, properties and pull_mode.")]
            )  # fmt: skip
        try:
            return cls.model_validate(_without_nulls(data), context={"created_on": created_on})
        except ValidationError as error:
            raise InvalidBodyError(problems_of(error, {"": cls, **_MODELS})) from None

    @field_validator("object_type")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in CATALOGUE:
            raise refusal(
                "unknown_object_type",
                f"`{value}` is not an object type.{did_you_mean(value, CATALOGUE)} "
                f"Object types: {', '.join(CATALOGUE)}.",
            )
        return value

    @field_validator("properties")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(value))

    @field_validator("schedule")
    @classmethod
    def _fires(cls, value: str | None, info: ValidationInfo) -> str | None:
        pull_mode = info.data.get("pull_mode")
        if pull_mode == "active" and value is None:
            raise refusal("missing", "An active source needs a schedule: five cron fields, UTC.")
        if pull_mode == "static" or value is None:
            return None
        try:
            return parse_cron(value)
        except InvalidCronError as error:
            raise refusal("invalid_schedule", str(error)) from None

    @field_validator("expiration_date")
    @classmethod
    def _ahead(cls, value: date | None, info: ValidationInfo) -> date | None:
        if value is None or info.data.get("pull_mode") == "static":
            return None
        created_on = (info.context or {}).get("created_on")
        if created_on and value < created_on:
            raise refusal("date_in_the_past", f"{value} has passed; today is {created_on} (UTC).")
        return value

    @field_validator("options")
    @classmethod
    def _fitting(cls, value: Options, info: ValidationInfo) -> Options:
        object_type = CATALOGUE.get(info.data.get("object_type", ""))
        if value.include_archived and object_type and object_type.archived_path is None:
            raise refusal("no_archive", f"Pipedrive has no archive of {object_type.name}: "
                          "options.include_archived does not apply.")  # fmt: skip
        return value


def _without_nulls(data: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(field): value for field, value in data.items() if value is not None}


_MODELS: dict[str, type[BaseModel]] = {
    "options": Options,
    "filters": FilterGroup,
    tag(FilterGroup): FilterGroup,
    tag(FilterLeaf): FilterLeaf,
    tag(PropertyLabel): PropertyLabel,
    tag(PropertyOption): PropertyOption,
}
