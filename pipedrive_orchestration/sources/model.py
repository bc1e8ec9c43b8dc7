"""The model of a source: its slug, its body as a file or a call has it, and the source made of both."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import count
from operator import attrgetter
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    StrictBool,
    StrictInt,
    StrictStr,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.pipedrive.object_types import Catalogue, ObjectType
from pipedrive_orchestration.sources.cron import InvalidCronError, parse_cron
from pipedrive_orchestration.sources.filter_model import FilterGroup, FilterLeaf
from pipedrive_orchestration.sources.validation import (
    InvalidBodyError,
    Problem,
    Text,
    WrittenDate,
    did_you_mean,
    problems_of,
    refusal,
    tag,
)

MAX_LENGTH = 63

SLUG_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
"""What names a source or a workflow, as a regular expression of JSON Schema."""

_SLUG = re.compile(SLUG_PATTERN)


RESERVED_SLUGS = frozenset({"account"})
"""Names that stand among those of the sources for something else: the account itself is an asset."""


def is_slug(text: str) -> bool:
    """Whether a text can be the name of a source."""
    return _SLUG.fullmatch(text) is not None


def check_slug(text: str) -> str:
    """The text, if it can be the name of a source; a pydantic error otherwise."""
    if not is_slug(text):
        raise refusal("invalid_slug", misnamed(text, "source"))
    return text


def misnamed(text: str, kind: str) -> str:
    """Says why a text cannot be the name of a source or a workflow, whichever ``kind`` is."""
    return (
        f"`{text}` cannot name a {kind}: small letters, digits and underscores, a letter first, "
        f"at most {MAX_LENGTH} characters."
    )


def derive_slug(name: str, fallback: str, is_taken: Callable[[str], bool]) -> str:
    """A free slug that resembles a name.

    Args:
        name: The name of a source, in any script.
        fallback: What to use of a name that has no letter or digit of the Latin script.
        is_taken: Tells which slugs cannot be used any more.
    """
    latin = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "_", latin).strip("_") or fallback
    if not stem[0].isalpha():
        stem = f"source_{stem}"
    stem = stem[:MAX_LENGTH].rstrip("_")
    if not is_taken(stem):
        return stem
    return next(slug for slug in _numbered(stem) if not is_taken(slug))


def _numbered(stem: str) -> Iterator[str]:
    for number in count(2):
        suffix = f"_{number}"
        yield stem[: MAX_LENGTH - len(suffix)].rstrip("_") + suffix


class PropertyLabel(BaseModel):
    """What a user calls a property."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text = Field(description="The property, as an item {name, label, field_type?}.")
    label: Text = Field(description="What it is called here.")
    field_type: Text | None = Field(default=None, description="Its field type.")


class PropertyOption(BaseModel):
    """A property as the property options offer it; ``value`` is its key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: Text = Field(
        description="The property, as an item {value, label, extras} of the property options."
    )
    label: Text = Field(description="What it is called here.")
    extras: dict[str, Any] = Field(
        default_factory=dict, description="What the property options say beside value and label."
    )


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


NEVER = "never"
"""Of ``options.reconcile``: windows are read again by hand only."""

MAX_RECONCILE_DAYS = 90


def _days(value: str) -> str:
    text = value.strip().lower()
    if text == NEVER or (
        re.fullmatch(r"[1-9]\d?d", text) is not None and int(text[:-1]) <= MAX_RECONCILE_DAYS
    ):
        return text
    raise refusal("invalid_span", f"`{value}` is not 1d to {MAX_RECONCILE_DAYS}d, or {NEVER}.")


MAX_POLL_HOURS = 7 * 24


def _hours(value: str) -> str:
    text = value.strip().lower()
    found = re.fullmatch(r"([1-9]\d{0,2})([hd])", text)
    if found and int(found[1]) * (24 if found[2] == "d" else 1) <= MAX_POLL_HOURS:
        return text
    raise refusal(
        "invalid_span", f"`{value}` is not 1h to {MAX_POLL_HOURS}h, or 1d to {MAX_POLL_HOURS // 24}d."
    )


MOST_PROPERTIES = 10_000
"""More than any account has; what is longer is not looked through."""


def _few(value: Any) -> Any:
    if isinstance(value, list | tuple) and len(value) > MOST_PROPERTIES:
        raise refusal("too_many", f"Has {len(value):,} items, of at most {MOST_PROPERTIES:,}.")
    return value


Priority = Literal["high", "normal", "low"]
"""Whose pulls come first where the day's tokens do not suffice for all."""

USUAL_PRIORITY: Priority = "normal"


class Options(BaseModel):
    """Extensions of the body.

    ``partitions`` and ``partitions_start`` are ignored by object types that are read as snapshots.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    partitions: Literal["daily", "weekly", "monthly"] = Field(
        default="monthly", description="Cadence of the windows; fixed at creation."
    )
    partitions_start: Annotated[StrictStr, AfterValidator(_month)] | None = Field(
        default=None,
        description="Month of the first window, YYYY-MM; fixed at creation.",
        examples=["2024-11"],
    )
    include_archived: StrictBool = Field(
        default=False, description="Archived records are members like any other."
    )
    history: StrictBool = Field(default=False, description="Keep every version seen.")
    on_leave: Literal["flag", "delete"] = Field(
        default="flag", description="What becomes of a row that leaves the filter."
    )
    reconcile: Annotated[StrictStr, AfterValidator(_days)] = Field(
        default="7d",
        description="How old the last complete reading of a window may get before a scheduled run reads it "
        "again: 1d to 90d, or never.",
        examples=["7d", NEVER],
    )
    poll_when_live: Annotated[StrictStr, AfterValidator(_hours)] | None = Field(
        default=None,
        description="How long ticks leave out pulls while webhooks are delivered: 1h to 7d; no pull if "
        "left out.",
        examples=["6h"],
    )
    parents: Annotated[StrictStr, AfterValidator(check_slug)] | None = Field(
        default=None,
        description="Of children: the source of the records that they belong to, by its slug; the only "
        "unfiltered source of that object type if left out.",
        examples=["all_deals"],
    )
    contents: StrictBool = Field(
        default=False, description="Of files: keep what they hold as well, 20 tokens each."
    )
    owners: tuple[Annotated[StrictStr, AfterValidator(_owner)], ...] = Field(
        default=(), description="E-mail addresses or team:<name>.", examples=[["team:sales"]]
    )
    priority: Priority = Field(
        default=USUAL_PRIORITY,
        description="Who comes first where the day's tokens do not suffice: a pull leaves what the ticks of "
        "sources of a higher priority need, and one that reads windows what those of its own need as well.",
    )
    max_tokens: Annotated[StrictInt, Field(ge=1, lt=2**63)] | None = Field(
        default=None,
        description="Tokens that the first import may cost, checked at creation; a source that would cost "
        "more waits for somebody to set it active.",
    )

    @property
    def reconcile_after(self) -> timedelta | None:
        """The same as a span of time; None for never."""
        return None if self.reconcile == NEVER else timedelta(days=int(self.reconcile[:-1]))

    @property
    def poll_when_live_after(self) -> timedelta | None:
        """The same as a span of time; None where ticks leave out nothing."""
        if self.poll_when_live is None:
            return None
        amount = int(self.poll_when_live[:-1])
        return timedelta(days=amount) if self.poll_when_live.endswith("d") else timedelta(hours=amount)


def known_types(catalogue: Catalogue) -> dict[str, Any]:
    """The context of pydantic's validation by which a body knows its project's object types."""
    return {"catalogue": catalogue}


def _catalogue_of(context: Any) -> Catalogue:
    catalogue: Catalogue = (context or {}).get("catalogue", BUILT_IN)
    return catalogue


def not_an_object_type(name: str, catalogue: Catalogue) -> str:
    """Says that a catalogue has no object type of that name, and which ones it has."""
    listed = ", ".join(catalogue)
    return f"`{name}` is not an object type.{did_you_mean(name, catalogue)} Object types: {listed}."


class PreviewBody(BaseModel):
    """The body of a preview: which records, and what of each.

    A property is any key that the account may have as a field, so only its form is checked here; the importer
    compares with the account.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    object_type: StrictStr = Field(
        description="The Pipedrive collection; fixed at creation.",
    )
    properties: Annotated[tuple[Text, ...], BeforeValidator(_few)] = Field(
        min_length=1,
        description="Keys of the fields to import: built-in names, older ones of v1 such as email, or 40-hex "
        "custom keys; and names behind references, such as org_name.",
        examples=[["name", "email", "org_name"]],
    )
    properties_metadata: Annotated[tuple[PropertyMetadata, ...], BeforeValidator(_few)] = Field(
        default=(), description="Labels for properties."
    )
    filters: FilterGroup | None = Field(
        default=None, description="Which records: groups of conditions joined by AND or OR."
    )

    _catalogue: Catalogue = PrivateAttr(default_factory=lambda: BUILT_IN)

    def model_post_init(self, context: Any, /) -> None:
        """Keep the object types that the body was validated with."""
        self._catalogue = _catalogue_of(context)

    @property
    def catalogue(self) -> Catalogue:
        """The object types that its own is one of: those of its project."""
        return self._catalogue

    @property
    def type(self) -> ObjectType:
        """The catalogue's row of the object type."""
        return self._catalogue[self.object_type]

    @property
    def labels(self) -> dict[str, str]:
        """The labels that the user gave, by property."""
        return {
            item.name if isinstance(item, PropertyLabel) else item.value: item.label
            for item in self.properties_metadata
        }

    @property
    def include_archived(self) -> bool:
        """Whether archived records are members like any other."""
        return False

    @classmethod
    def parse(cls, data: Any, *, catalogue: Catalogue = BUILT_IN, created_on: date | None = None) -> Self:
        """Reads a body; a known field that is null counts as absent.

        Args:
            data: What JSON or YAML made of it.
            catalogue: The object types of the project.
            created_on: The day (UTC) on which a source is being created, before which its expiration
                must not lie. None for a source that exists: it may well have expired.

        Raises:
            InvalidBodyError: With every problem found.
        """
        if not isinstance(data, Mapping):
            raise InvalidBodyError([Problem("", "not_a_mapping", _described(cls))])
        try:
            context = {"created_on": created_on, **known_types(catalogue)}
            return cls.model_validate(_without_nulls(data, cls), context=context)
        except ValidationError as error:
            raise InvalidBodyError(problems_of(error, {"": cls, **_MODELS})) from None

    @field_validator("object_type")
    @classmethod
    def _known(cls, value: str, info: ValidationInfo) -> str:
        catalogue = _catalogue_of(info.context)
        if value not in catalogue:
            raise refusal("unknown_object_type", not_an_object_type(value, catalogue))
        return value

    @field_validator("properties")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(value))


class DraftBody(PreviewBody):
    """What of a source decides which records it has: the body of a preview, and the extensions."""

    options: Options = Field(default=Options(), description="Extensions of the body.")

    @property
    def include_archived(self) -> bool:
        """Whether archived records are members like any other."""
        return self.options.include_archived

    @field_validator("options")
    @classmethod
    def _fitting(cls, value: Options, info: ValidationInfo) -> Options:
        object_type = _catalogue_of(info.context).get(info.data.get("object_type", ""))
        if value.include_archived and object_type and object_type.archived_path is None:
            raise refusal("no_archive", f"Pipedrive has no archive of {object_type.name}: "
                          "options.include_archived does not apply.")  # fmt: skip
        if value.parents is not None and object_type and object_type.parent is None:
            raise refusal("no_parents", f"{object_type.name} are no children of other records: "
                          "options.parents does not apply.")  # fmt: skip
        if value.contents and object_type and object_type.content_path is None:
            raise refusal("no_contents", f"{object_type.name} hold nothing that could be kept: "
                          "options.contents does not apply.")  # fmt: skip
        return value


class SourceBody(DraftBody):
    """The body of a source.

    ``schedule`` and ``expiration_date`` belong to ``pull_mode: active`` and are None otherwise, whatever
    was written.
    """

    name: Text = Field(description="The source's name.")
    pull_mode: Literal["static", "active"] = Field(
        description="static is imported by hand only, active follows its schedule as well."
    )
    schedule: Annotated[StrictStr | None, Field(validate_default=True)] = Field(
        default=None, description="Five cron fields, UTC; needed when active.", examples=["0 12 * * *"]
    )
    expiration_date: WrittenDate | None = Field(
        default=None,
        description="The last day (UTC) on which the schedule fires, YYYY-MM-DD.",
        examples=["2098-12-31"],
    )
    pull_existing: StrictBool = Field(
        default=True, description="Whether records from before the source's creation are imported."
    )

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


def _described(model: type[BaseModel]) -> str:
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    return f"Must be a mapping of fields to values, with at least {', '.join(required)}."


def _without_nulls(data: Mapping[Any, Any], model: type[BaseModel]) -> dict[str, Any]:
    return {
        str(field): value
        for field, value in data.items()
        if value is not None or field not in model.model_fields
    }


_MODELS: dict[str, type[BaseModel]] = {
    "options": Options,
    "filters": FilterGroup,
    tag(FilterGroup): FilterGroup,
    tag(FilterLeaf): FilterLeaf,
    tag(PropertyLabel): PropertyLabel,
    tag(PropertyOption): PropertyOption,
}


_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "pipedrive_orchestration/sources")


def id_of_slug(slug: str) -> uuid.UUID:
    """The id of a source whose file has none; the same wherever the file is read."""
    return uuid.uuid5(_NAMESPACE, slug)


def _identifier(value: Any) -> Any:
    if isinstance(value, uuid.UUID):
        return value
    try:
        return uuid.UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise refusal("invalid_id", f"`{value}` is not a UUID.") from None


def _instant(value: Any) -> Any:
    try:
        instant = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (ValueError, TypeError):
        raise refusal("invalid_instant", f"`{value}` is not an ISO 8601 instant.") from None
    if instant.tzinfo is None:
        raise refusal("invalid_instant", f"`{value}` has no offset; write UTC with a Z at the end.")
    if not 2000 <= instant.year < 2100:
        raise refusal("invalid_instant", f"`{value}` is not an instant of this century.")
    return instant.astimezone(UTC)


_FIXED = ("object_type", "options.partitions", "options.partitions_start")


def refuse_change_of_fixed(source: SourceBody, changed: SourceBody) -> None:
    """Refuse a body that changes what is fixed when a source is created, its windows above all.

    Raises:
        InvalidBodyError: it does; names everything that it changes.
    """
    problems = [
        Problem(field, "fixed", "Was fixed when the source was created; create another source instead.")
        for field in _FIXED
        if attrgetter(field)(changed) != attrgetter(field)(source)
    ]
    if problems:
        raise InvalidBodyError(problems)


class SourceFile(SourceBody):
    """What a file may hold: a body, and the identity that the store wrote when it created the file."""

    id: Annotated[uuid.UUID, BeforeValidator(_identifier)] | None = None
    created_at: Annotated[datetime, BeforeValidator(_instant)] | None = None


def draft_of(content: Any, catalogue: Catalogue = BUILT_IN) -> DraftBody:
    """What the content of a source's file decides about its records; what creation alone needs is dropped.

    Args:
        content: What JSON or YAML made of it.
        catalogue: The object types of the project.

    Raises:
        InvalidBodyError: With every problem of what is left.
    """
    if isinstance(content, Mapping):
        content = {field: value for field, value in content.items() if field not in _CREATE_ONLY}
    return DraftBody.parse(content, catalogue=catalogue)


_CREATE_ONLY = SourceFile.model_fields.keys() - DraftBody.model_fields.keys()


class Source(SourceBody):
    """A configured import.

    ``slug`` names its file, its asset and its table. ``created_at`` (UTC) is the instant from which on
    changes are followed. ``parents`` is the slug of the source that children are read along.
    """

    slug: Annotated[StrictStr, AfterValidator(check_slug)]
    id: Annotated[uuid.UUID, BeforeValidator(_identifier)]
    created_at: Annotated[datetime, BeforeValidator(_instant)]
    parents: StrictStr | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The body alone, as JSON has it and without what was left at its default."""
        identity = {"slug", "id", "created_at", "parents"}
        return self.model_dump(mode="json", exclude=identity, exclude_defaults=True)


def is_expired(source: Source, now: datetime) -> bool:
    """Whether the last day (UTC) on which the schedule fires has passed."""
    return source.expiration_date is not None and now.astimezone(UTC).date() > source.expiration_date
