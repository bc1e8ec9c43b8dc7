"""What a user may have meant by a name that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def near_matches(name: str, known: Iterable[str]) -> list[str]:
    """Up to three known names that the user may have meant, likeliest first.

    Case, dashes, blanks and camelCase are looked through, so ``activityTypes`` finds
    ``activity_types``.
    """
    folded = {_fold(candidate): candidate for candidate in known}
    return [folded[match] for match in get_close_matches(_fold(name), list(folded), n=3, cutoff=0.6)]


def _fold(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
