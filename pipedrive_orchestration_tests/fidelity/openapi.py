"""Pipedrive's OpenAPI 3.0 files as JSON Schema that also objects to properties they do not know."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import yaml
from jsonschema import Draft202012Validator, FormatChecker, ValidationError

Schema = dict[str, Any]

_CHECKOUT = Path(__file__).resolve().parents[2]
_HASH_KEY = re.compile(r"[0-9a-f]{40}(_\w+)?")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_KEPT = ("type", "enum", "format", "required", "minimum", "maxLength", "minLength", "maxItems", "uniqueItems")
_METHODS = ("get", "post", "put", "patch", "delete")
_FORMATS = FormatChecker(formats=["uuid", "date"])


def folder() -> Path:
    """Where the files are: ``PIPEDRIVE_OPENAPI``, or beside the checkout."""
    chosen = os.environ.get("PIPEDRIVE_OPENAPI")
    return Path(chosen) if chosen else _CHECKOUT.parent / "shared" / "pipedrive" / "openapi"


@_FORMATS.checks("date-time")
def _is_rfc3339(value: object) -> bool:
    return not isinstance(value, str) or _RFC3339.fullmatch(value) is not None


@dataclass(frozen=True, order=True)
class Violation:
    """One way in which an answer differs from the file.

    Attributes:
        path: where, such as ``data[].org_id``; keys of custom fields are written ``<key>``.
        kind: ``null``, ``unknown property``, ``status`` or the name of the schema keyword.
    """

    path: str
    kind: str


@dataclass(frozen=True)
class Operation:
    """One operation of a file.

    Attributes:
        tokens: its price, ``x-token-cost``.
        scopes: OAuth scopes of which one suffices.
        parameters: names of its query parameters.
        required: those without which it refuses.
        choices: the words that a parameter is limited to, of those that are.
        body: the keys of its request body, each with whether it is required.
        includable: what its ``include_fields`` parameter can ask for, none of which is in the schema.
        schemas: JSON Schema of the answer by HTTP status.
    """

    tokens: int
    scopes: frozenset[str]
    parameters: frozenset[str]
    required: frozenset[str]
    choices: dict[str, frozenset[str]]
    body: dict[str, bool]
    includable: frozenset[str]
    schemas: dict[int, Schema]

    def violations(self, status: int, answer: object) -> set[Violation]:
        """All differences between an answer and what the file promises."""
        schema = self.schemas.get(status)
        if schema is None:
            schema = next(schema for code, schema in self.schemas.items() if code < 300)
            return {Violation("", f"status {status}")} | self._violations(schema, answer)
        return self._violations(schema, answer)

    def _violations(self, schema: Schema, answer: object) -> set[Violation]:
        validator = Draft202012Validator(schema, format_checker=_FORMATS)
        found = {violation for error in validator.iter_errors(answer) for violation in _classify(error)}
        return {violation for violation in found if not self._is_included(violation)}

    def _is_included(self, violation: Violation) -> bool:
        parent, _, name = violation.path.rpartition(".")
        is_of_record = parent in {"data", "data[]"}
        return violation.kind == "unknown property" and is_of_record and name in self.includable


_PATH = re.compile(
    r"^  (?P<quote>'?)(?P<path>/.*)(?P=quote):\n(?P<operations>(?:(?:    .*)?\n)*)", re.MULTILINE
)
_METHOD = re.compile(rf"^    ({'|'.join(_METHODS)}):$", re.MULTILINE)


class Document:
    """One OpenAPI file: of its tens of thousands of lines, the paths that are asked for are parsed."""

    def __init__(self, path: Path) -> None:
        text = path.read_text("utf-8")
        self._paths = {found["path"]: found["operations"] for found in _PATH.finditer(text)}
        self._parsed: dict[str, Schema] = {}
        self._operations: dict[tuple[str, str], Operation] = {}

    @cached_property
    def operations(self) -> set[tuple[str, str]]:
        """Method and path of every operation."""
        return {
            (method.upper(), path)
            for path, operations in self._paths.items()
            for method in _METHOD.findall(operations)
        }

    def of_path(self, path: str) -> Schema:
        """The operations of a path by their methods in small letters, as the file has them.

        Raises:
            KeyError: the file does not have the path.
        """
        if path not in self._parsed:
            self._parsed[path] = yaml.load(self._paths[path], Loader=yaml.CSafeLoader)
        return self._parsed[path]

    def __contains__(self, path: str) -> bool:
        return path in self._paths

    def operation(self, method: str, path: str) -> Operation:
        """The operation of a method and a path template.

        Raises:
            KeyError: the file has none.
        """
        if (method, path) not in self._operations:
            self._operations[method, path] = self._read(self.of_path(path)[method.lower()])
        return self._operations[method, path]

    def says_several(self, method: str, path: str) -> bool:
        """Whether an operation changes several records: by ids in its query, or by a list as its body."""
        node = self.of_path(path)[method.lower()]
        bodies = node["requestBody"]["content"].values() if "requestBody" in node else ()
        schemas = [self._merge(content["schema"]) for content in bodies]
        listed = [schema.get("properties", {}).get("data", schema) for schema in schemas]
        is_list = any(schema.get("type") == "array" for schema in listed)
        return is_list or "ids" in self.operation(method, path).parameters

    def _read(self, node: Schema) -> Operation:
        parameters = node.get("parameters", [])
        asked = [parameter for parameter in parameters if parameter["in"] == "query"]
        query = {entry["name"]: entry.get("schema", {}) for entry in asked}
        return Operation(
            tokens=node["x-token-cost"],
            scopes=frozenset(scope for way in node["security"] for scope in way.get("oauth2", ())),
            parameters=frozenset(query),
            required=frozenset(entry["name"] for entry in asked if entry.get("required")),
            choices={name: _words(schema["enum"]) for name, schema in query.items() if "enum" in schema},
            body=self._body(node.get("requestBody")),
            includable=frozenset(query.get("include_fields", {}).get("enum", ())),
            schemas=dict(self._answers(node["responses"])),
        )

    def _body(self, node: Schema | None) -> dict[str, bool]:
        if node is None:
            return {}
        (content,) = node["content"].values()
        schema = content["schema"]
        merged = self._merge(schema.get("items", schema))
        required = merged.get("required", ())
        return {key: key in required for key in merged.get("properties", {})}

    def _answers(self, responses: Schema) -> Iterator[tuple[int, Schema]]:
        for status, response in responses.items():
            content = response.get("content", {}).get("application/json")
            if content is not None:
                yield int(status), self._translate(content["schema"])

    def _translate(self, node: Schema) -> Schema:
        node = self._merge(node)
        schema: Schema = {key: node[key] for key in _KEPT if key in node}
        if "properties" in node:
            properties = {name: self._translate(child) for name, child in node["properties"].items()}
            schema["properties"] = {name: of for name, of in properties.items() if not name.isupper()}
            # A name such as DEAL_ID stands for any id.
            by_id = next((of for name, of in properties.items() if name.isupper()), None)
            schema["patternProperties"] = {} if by_id is None else {r"^\d+$": by_id}
            schema["additionalProperties"] = False
        if "additionalProperties" in node:
            extra = node["additionalProperties"]
            schema["additionalProperties"] = self._translate(extra) if isinstance(extra, dict) else extra
        if "items" in node:
            schema["items"] = self._translate(node["items"])
        for keyword in ("oneOf", "anyOf"):
            if keyword in node:
                schema[keyword] = [self._translate(child) for child in node[keyword]]
        return _with_null(schema) if node.get("nullable") else schema

    def _merge(self, node: Schema) -> Schema:
        """The node without ``allOf``: in these files that only ever joins lists of properties."""
        merged: Schema = {key: value for key, value in node.items() if key != "allOf"}
        for part in node.get("allOf", ()):
            flat = self._merge(part)
            merged["properties"] = merged.get("properties", {}) | flat.get("properties", {})
            merged["required"] = [*merged.get("required", ()), *flat.get("required", ())]
            merged = {key: value for key, value in flat.items() if key not in merged} | merged
        return merged


def _words(enum: list[object]) -> frozenset[str]:
    """The words of an enumeration, which for comma lists names every combination of them."""
    return frozenset(word for entry in enum for word in str(entry).split(","))


def _with_null(schema: Schema) -> Schema:
    if "type" in schema:
        schema = schema | {"type": [schema["type"], "null"]}
    if "enum" in schema:
        schema = schema | {"enum": [*schema["enum"], None]}
    return schema


def _classify(error: ValidationError) -> Iterator[Violation]:
    path = _path(error)
    if error.validator == "additionalProperties":
        schema, instance = cast("Schema", error.schema), cast("Schema", error.instance)
        for name in instance.keys() - schema["properties"].keys():
            yield Violation(_join(path, name), "unknown property")
    elif error.validator == "anyOf":
        yield from _best_alternative(error)
    elif error.instance is None:
        yield Violation(path, "null")
    else:
        yield Violation(path, str(error.validator))


def _best_alternative(error: ValidationError) -> Iterator[Violation]:
    """What is wrong with the alternative that was meant: the one whose ``item`` fits (``/recents``)."""
    problems: dict[Any, list[ValidationError]] = {}
    for child in error.context or ():
        problems.setdefault(child.schema_path[0], []).append(child)
    for context in problems.values():
        if not any(list(child.path)[-1:] == ["item"] for child in context):
            for child in context:
                yield from _classify(child)
            return
    yield Violation(_path(error), "anyOf")


def _path(error: ValidationError) -> str:
    path = ""
    for step in error.absolute_path:
        path = f"{path}[]" if isinstance(step, int) else _join(path, step)
    return path


def _join(path: str, name: str) -> str:
    name = "<id>" if name.isdigit() else _HASH_KEY.sub("<key>", name)
    return f"{path}.{name}" if path else name
