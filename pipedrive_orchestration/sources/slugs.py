"""Slugs: the names of source files, assets and tables."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import count

from pipedrive_orchestration.sources.problems import refusal

MAX_LENGTH = 63
_SLUG = re.compile(r"[a-z][a-z0-9_]{0,62}")


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
