"""A source: a body with an identity, and what follows from its dates and schedule."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, StrictStr

from pipedrive_orchestration.sources.body import SourceBody
from pipedrive_orchestration.sources.problems import refusal
from pipedrive_orchestration.sources.slugs import check_slug

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


class SourceFile(SourceBody):
    """What a file may hold: a body, and the identity that the store wrote when it created the file."""

    id: Annotated[uuid.UUID, BeforeValidator(_identifier)] | None = None
    created_at: Annotated[datetime, BeforeValidator(_instant)] | None = None


class Source(SourceBody):
    """A configured import.

    ``slug`` names its file, its asset and its table. ``created_at`` (UTC) is the instant from which on
    changes are followed.
    """

    slug: Annotated[StrictStr, AfterValidator(check_slug)]
    id: Annotated[uuid.UUID, BeforeValidator(_identifier)]
    created_at: Annotated[datetime, BeforeValidator(_instant)]

    @property
    def body(self) -> dict[str, Any]:
        """The body alone, as JSON has it and without what was left at its default."""
        identity = {"slug", "id", "created_at"}
        return self.model_dump(mode="json", exclude=identity, exclude_defaults=True)


def is_expired(source: Source, now: datetime) -> bool:
    """Whether the last day (UTC) on which the schedule fires has passed."""
    return source.expiration_date is not None and now.astimezone(UTC).date() > source.expiration_date
