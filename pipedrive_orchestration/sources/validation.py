"""Problems of what users write: each with its field, a code, a sentence, and its position in the file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from difflib import SequenceMatcher, get_close_matches
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StrictStr, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a text: its line, and the character within that line, both counted from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        field: the path to it, such as ``filters.conditions[0].variable``; ``""`` for the body as a whole.
        code: what kind of problem it is, for programs.
        message: what is wrong and what to write instead.
        position: where in its file it is; None for a body that came from elsewhere.
    """

    field: str
    code: str
    message: str
    position: Position | None = None

    @property
    def place(self) -> Position:
        """The position; the beginning where the file as a whole is meant."""
        return self.position or Position(1, 1)

    @property
    def sentence(self) -> str:
        """The message with its field before it."""
        return f"{self.field}: {self.message}" if self.field else self.message

    def __str__(self) -> str:
        return f"{self.position}: {self.sentence}" if self.position else self.sentence


class InvalidBodyError(ValueError):
    """A body that is not what its place says, with everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def refusal(code: str, message: str) -> PydanticCustomError:
    """An error for a validator to raise.

    The message goes through as a value, since pydantic reads braces in a template as placeholders.
    """
    return PydanticCustomError(code, "{message}", {"message": message})


def near_matches(name: str, known: Iterable[str]) -> list[str]:
    """Up to three known names that the user may have meant, likeliest first.

    Case, dashes, blanks and camelCase are looked through, so ``activityTypes`` finds
    ``activity_types``. Beside one that is nearly the same, those that only begin like it are left out.
    """
    folded = {_fold(candidate): candidate for candidate in known}
    asked = _fold(name)
    nearest = get_close_matches(asked, list(folded), n=1, cutoff=0.6)
    cutoff = max([0.6, *(SequenceMatcher(None, match, asked).ratio() - 0.15 for match in nearest)])
    return [folded[match] for match in get_close_matches(asked, list(folded), n=3, cutoff=cutoff)]


def _fold(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence with the near matches of ``name``, led by a blank, or nothing."""
    matches = near_matches(name, known)
    return f" Did you mean {' or '.join(f'`{match}`' for match in matches)}?" if matches else ""


def tag(model: type[BaseModel]) -> str:
    """The tag of a member of a union.

    pydantic puts the tag into an error's location; the brackets let `problems_of` tell it from a field.
    """
    return f"<{model.__name__}>"


def problems_of(error: ValidationError, models: Mapping[str, type[BaseModel]]) -> list[Problem]:
    """The problems behind pydantic's errors.

    Args:
        error: What validation raised.
        models: The model behind each location that has fields of its own: the tag of a union's member,
            the name of a field, or ``""`` for the body. Unknown fields are matched against theirs.
    """
    return [_problem(details, models) for details in error.errors(include_url=False, include_input=False)]


def _problem(details: ErrorDetails, models: Mapping[str, type[BaseModel]]) -> Problem:
    location, code = details["loc"], details["type"]
    field = _path(location)
    if code == "extra_forbidden":
        known = _fields_at(location[:-1], models)
        message = f"Unknown field.{did_you_mean(str(location[-1]), known)} Known fields: {', '.join(known)}."
        return Problem(field, "unknown_field", message)
    if code in {"recursion_loop", "recursion_depth_exceeded"}:
        return Problem(_path(location[:1]), "too_deep", "Nested too deeply, or contains itself.")
    code, message = _SAID_PLAINLY.get(code, (_SAME.get(code, code), details["msg"]))
    return Problem(field, code, message)


_SAME = {"enum": "literal_error"}
"""Codes of pydantic that mean the same to a user."""

_SAID_PLAINLY = {
    "missing": ("missing", "This field is required."),
    "too_short": ("empty", "Must not be empty."),
    "string_type": (
        "string_type",
        "Must be a text; in YAML, quote what would otherwise be a number or a date.",
    ),
    "bool_type": ("bool_type", "Must be true or false."),
    "tuple_type": ("list_type", "Must be a list."),
    "dict_type": ("mapping_type", "Must be a mapping."),
    "model_type": ("mapping_type", "Must be a mapping."),
    "model_attributes_type": ("mapping_type", "Must be a mapping."),
}


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not part.startswith("<"):
            path += f".{part}" if path else part
    return path


def _fields_at(location: tuple[int | str, ...], models: Mapping[str, type[BaseModel]]) -> list[str]:
    for part in reversed(location):
        if isinstance(part, str) and part in models:
            return list(models[part].model_fields)
    return list(models[""].model_fields)


def _stripped(text: str) -> str:
    text = text.strip()
    if not text:
        raise refusal("blank", "Must not be blank.")
    if "\x00" in text:
        raise refusal("invalid_character", "Must not contain a NUL character.")
    return text


Text = Annotated[
    StrictStr, AfterValidator(_stripped), Field(json_schema_extra={"pattern": r"^[^\x00]*[^\s\x00][^\x00]*$"})
]
"""A text without blanks around it and not empty."""


def _written_date(value: Any) -> Any:
    # A datetime is a date to isinstance, and 20271231 is one to date.fromisoformat.
    if type(value) is date:
        return value
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value.strip()):
        with suppress(ValueError):
            return date.fromisoformat(value.strip())
    raise refusal("invalid_date", f"`{value}` is not a date; write it as YYYY-MM-DD.")


WrittenDate = Annotated[date, BeforeValidator(_written_date)]
"""A calendar date, as YAML reads it or as ``YYYY-MM-DD``."""
