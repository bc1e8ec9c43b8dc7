"""What a workflow does with the rows of its queue, as its file says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import duckdb
from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, StrictInt, StrictStr, Tag

from pipedrive_orchestration.sources.problems import refusal, tag
from pipedrive_orchestration.sources.texts import Text
from pipedrive_orchestration.workflows.inputs import Output


def _expression(text: str) -> str:
    # Parsing opens no database.
    try:
        parsed = duckdb.extract_statements(f"SELECT (\n{text}\n)")
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise refusal("invalid_expression", f"This is not an SQL expression: {reason}") from None
    if len(parsed) != 1:
        raise refusal("invalid_expression", "This is more than one SQL expression.")
    return text


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise refusal("invalid_url", f"`{text}` is not an address; write it as https://host/path.")
    if parts.username is not None or parts.password is not None:
        raise refusal("secret_in_url", "Keep the secret in the environment, and name the variable as secret.")
    return text


def _variable(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text):
        raise refusal("invalid_variable", "Must be the name of an environment variable, never the secret.")
    return text


class SqlAction(BaseModel):
    """Fills a column with the value of an expression over the inputs and the outputs before it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["sql"]
    name: Text
    expression: Annotated[Text, AfterValidator(_expression)]
    output: Output

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The columns it fills."""
        return (self.output,)


class HttpAction(BaseModel):
    """Posts rows as JSON, and fills columns from the answer.

    Attributes:
        secret: the environment variable whose value is sent as a bearer token.
        timeout: seconds one request may take.
        tries: how often a request is sent while it meets no answer, 429 or 5xx.
        batch_size: most rows of one request.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["http"]
    name: Text
    url: Annotated[StrictStr, AfterValidator(_url)]
    secret: Annotated[StrictStr, AfterValidator(_variable)] | None = None
    timeout: Annotated[StrictInt, Field(ge=1, le=60)] = 10
    tries: Annotated[StrictInt, Field(ge=1, le=5)] = 3
    batch_size: Annotated[StrictInt, Field(ge=1, le=1000)] = 100
    outputs: tuple[Output, ...] = ()


_KINDS: dict[str, type[BaseModel]] = {"sql": SqlAction, "http": HttpAction}


def _kind(item: Any) -> str | None:
    kind = item.get("type") if isinstance(item, Mapping) else getattr(item, "type", None)
    model = _KINDS.get(kind) if isinstance(kind, str) else None
    return tag(model) if model else None


Action = Annotated[
    Annotated[SqlAction, Tag(tag(SqlAction))] | Annotated[HttpAction, Tag(tag(HttpAction))],
    Discriminator(
        _kind,
        custom_error_type="unknown_action",
        custom_error_message="An action is a mapping whose type is sql or http.",
    ),
]
"""One step of what is done with a row."""

MODELS: dict[str, type[BaseModel]] = {
    tag(SqlAction): SqlAction,
    tag(HttpAction): HttpAction,
    "output": Output,
    "outputs": Output,
}
"""The models of actions by where a problem stands."""
