"""Typed inputs of a workflow, and the references and columns that follow from their names."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

from pipedrive_orchestration.sources.validation import Text, refusal

ColumnType = Literal["string", "url", "email", "number"]
"""The type of an input or output; all are text to the database but numbers."""

REFERENCE_PREFIX = "input."

ROW_COLUMNS = ("row_id", "row_seq", "created_at", "row_status")
"""Columns that every workflow's table has; those that begin with an underscore cannot be meant."""

_MAX_LENGTH = 63
_BRACES = re.compile(r"\{\{(.*)\}\}", re.DOTALL)


def key_of(name: str) -> str:
    """The name in snake_case, as it stands in references and as a column."""
    latin = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", latin)
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def without_braces(reference: str) -> str:
    """``{{ input.email }}`` and ``input.email`` are the same reference."""
    inner = _BRACES.fullmatch(reference.strip())
    return (inner[1] if inner else reference).strip()


def _column_name(name: str) -> str:
    key = key_of(name)
    if not re.match(r"[a-z]", key) or len(key) > _MAX_LENGTH:
        raise refusal(
            "invalid_name",
            f"`{name}` makes no column: in snake_case it has to begin with a letter from a to z and have at "
            f"most {_MAX_LENGTH} characters.",
        )
    if key in ROW_COLUMNS:
        raise refusal("reserved_name", f"`{key}` is a column that every workflow has; choose another name.")
    return name


class Output(BaseModel):
    """A column that an action fills."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[Text, AfterValidator(_column_name)]
    type: ColumnType = "string"

    @property
    def key(self) -> str:
        """The name in snake_case: the column of the workflow's table."""
        return key_of(self.name)

    @property
    def sql_type(self) -> str:
        """The column's type."""
        return "DOUBLE" if self.type == "number" else "VARCHAR"


class Input(Output):
    """A column that syncs fill."""

    type: ColumnType

    @property
    def reference(self) -> str:
        """The name of the input in a field mapping."""
        return REFERENCE_PREFIX + self.key

    @property
    def braced_reference(self) -> str:
        """The reference as a template would write it, which a field mapping may do as well."""
        return "{{" + self.reference + "}}"
