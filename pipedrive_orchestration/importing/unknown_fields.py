"""What may have been meant by a field that the account does not have."""

from __future__ import annotations

from collections.abc import Sequence

from pipedrive_orchestration.pipedrive.fields import Field
from pipedrive_orchestration.sources.near_matches import near_matches


def near_fields(key: str, fields: Sequence[Field]) -> list[str]:
    """Keys that may have been meant, likeliest first: the field of that label, then similar keys."""
    labeled = [field.key for field in fields if field.label.casefold() == key.casefold()]
    return list(dict.fromkeys([*labeled, *near_matches(key, [field.key for field in fields])]))
