"""Run config, derived from the models of a source's body.

An asset takes its source's body, with the source's own values as defaults, and the pull: the Launchpad
shows the body as it is configured and lets one run deviate from it. A job takes a body as a user would
post it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import dagster as dg
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipedrive_orchestration.importing import Pull
from pipedrive_orchestration.orchestration.context import ProjectContext
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.services.dagster_internals import ExampleMapping
from pipedrive_orchestration.sources import PreviewBody, Source, SourceBody
from pipedrive_orchestration.sources.model import Options, refuse_change_of_fixed

_ANYTHING = dg.Permissive()  # type: ignore[no-untyped-call] # Dagster left its constructor untyped


@lru_cache
def _choice(name: str, values: tuple[str, ...]) -> dg.Enum:
    # Dagster matches an enum by the names of its values, so names and values are the same here.
    return dg.Enum(name, [dg.EnumValue(value) for value in values])


Nested = Callable[[Sequence[type[BaseModel]]], Any]
"""Gives the config type of a mapping that is of one of some models."""


def _config_type(field: str, annotation: Any, nested: Nested) -> Any:
    """The config type of a model's field.

    Args:
        field: its name, by which a choice is called.
        annotation: its type.
        nested: what a mapping becomes.
    """
    annotation = _bare(annotation)
    origin, members = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return _config_type_of_union(field, members, nested)
    if origin is Literal:
        return _choice(field.title().replace("_", ""), members)
    if origin is tuple:
        return [_config_type(field, members[0], nested)]
    if origin is dict:
        return _ANYTHING
    if issubclass(annotation, BaseModel):
        return nested([annotation])
    return str if issubclass(annotation, date) else annotation


def _config_type_of_union(field: str, members: Sequence[Any], nested: Nested) -> Any:
    given = [_bare(member) for member in members if member is not type(None)]
    if len(given) > 1:
        models = [member for member in given if isinstance(member, type) and issubclass(member, BaseModel)]
        return nested(models) if len(models) == len(given) else dg.Any
    inner = _config_type(field, given[0], nested)
    # In a mapping the Launchpad shows what may be written; it does not in one that may be null.
    return inner if inner is dg.Any or isinstance(inner, dict) else dg.Noneable(inner)


def _bare(annotation: Any) -> Any:
    return _bare(get_args(annotation)[0]) if get_origin(annotation) is Annotated else annotation


def _anything(_models: Sequence[type[BaseModel]]) -> Any:
    return _ANYTHING


def _shape(models: Sequence[type[BaseModel]]) -> dict[str, dg.Field]:
    """The fields of a model; of several models those of all, none of which is required."""
    fields = {name: field for model in models for name, field in model.model_fields.items()}
    return {
        name: dg.Field(
            _config_type(name, field.annotation, _shape),
            is_required=field.is_required() and len(models) == 1,
            description=field.description,
        )
        for name, field in fields.items()
    }


def config_schema_of(source: Source) -> dict[str, dg.Field]:
    """The config schema of a source's asset; every field has a default."""
    values = _values(source)
    options = values.pop("options")
    schema = {name: _field(name, json.dumps(value)) for name, value in values.items()}
    return {**schema, "options": _options_field(json.dumps(options)), **_OF_A_RUN}


# Building a field takes Dagster a third of a millisecond, and most fields are the same in many sources.
@lru_cache(maxsize=4096)
def _field(name: str, default: str) -> dg.Field:
    return _with_default(name, SourceBody.model_fields[name], json.loads(default))


@lru_cache(maxsize=512)
def _options_field(defaults: str) -> dg.Field:
    options = json.loads(defaults)
    fields = {name: _with_default(name, field, options[name]) for name, field in Options.model_fields.items()}
    return dg.Field(
        fields,
        default_value=options,
        is_required=False,
        description=SourceBody.model_fields["options"].description,
    )


def _with_default(name: str, field: FieldInfo, default: Any) -> dg.Field:
    type_ = _config_type(name, field.annotation, _anything)
    return dg.Field(type_, default_value=default, is_required=False, description=field.description)


_KEY = dg.Field(dg.Noneable(str), default_value=None, is_required=False)

_OF_A_RUN = {
    "windows": dg.Field(
        {"first": _KEY, "last": _KEY},
        default_value={"first": None, "last": None},
        is_required=False,
        description="Keys or months of the first and the last window, for a run that names no partitions; "
        "all windows if neither is given.",
    ),
    "pull": dg.Field(
        _choice("Pull", tuple(pull.value for pull in Pull)),
        default_value=Pull.WINDOW.value,
        is_required=False,
        description="window reads the chosen windows completely, changes what changed since the watermark.",
    ),
    "accept_user": dg.Field(
        bool,
        default_value=False,
        is_required=False,
        description="Remove what the connected user does not see, although another user saw it before.",
    ),
}


def choice_of_object_types(project: ProjectContext) -> dg.Enum:
    """The object types of a project, as a choice.

    Dagster keeps the shapes of a process by the names of what is in them, so other choices need another name.
    """
    own = [name for name in project.catalogue if name not in BUILT_IN]
    return _choice("_".join((project.names.own("ObjectType"), *own)), tuple(project.catalogue))


def body_schema(model: type[PreviewBody], project: ProjectContext) -> dict[str, dg.Field]:
    """The config schema of a job that takes a body: strict at every level, nothing filled in."""
    choice = choice_of_object_types(project)
    object_type = dg.Field(choice, description=model.model_fields["object_type"].description)
    return {**_shape([model]), "object_type": object_type}


def with_example(schema: Mapping[str, dg.Field], example: Mapping[str, Any]) -> dict[str, dg.Field]:
    """The schema with the values of an example as defaults, which the Launchpad shows.

    Args:
        schema: of a job.
        example: a config that fits it.
    """
    shown = {
        name: dg.Field(
            schema[name].config_type, default_value=value, is_required=False,
            description=schema[name].description,
        )
        for name, value in example.items()
    }  # fmt: skip
    return {**shown, **{name: field for name, field in schema.items() if name not in shown}}


def job_of(
    op: dg.OpDefinition,
    name: str,
    schema: Mapping[str, dg.Field],
    description: str,
    example: Mapping[str, Any],
) -> dg.JobDefinition:
    """A job of one op whose run config is the op's own, instead of something below its name.

    Args:
        op: what it does.
        name: of the job.
        schema: of the op's config.
        description: of the job.
        example: the config that the Launchpad opens with.
    """
    mapping = ExampleMapping(
        config_schema=with_example(schema, example),
        config_fn=lambda body: {"ops": {op.name: {"config": body}}},
    )
    graph = dg.GraphDefinition(name=name, node_defs=[op])
    return graph.to_job(
        name=name, description=description, config=mapping, executor_def=dg.in_process_executor
    )


def source_of_run(source: Source, config: Mapping[str, Any]) -> Source:
    """The source as a run's config has it.

    Raises:
        InvalidBodyError: The config is no body, or changes what is fixed at creation.
    """
    body = {field: config[field] for field in SourceBody.model_fields}
    identity = {"slug": source.slug, "id": source.id, "created_at": source.created_at}
    changed = Source.parse(body | identity, catalogue=source.catalogue)
    refuse_change_of_fixed(source, changed)
    return changed.model_copy(update={"parents": changed.options.parents or source.parents})


def deviating_fields(source: Source, of_run: Source) -> list[str]:
    """The fields of the body in which a run's config is not what its source says."""
    own, other = _values(source), _values(of_run)
    return [name for name in SourceBody.model_fields if own[name] != other[name]]


def _values(source: Source) -> dict[str, Any]:
    return source.model_dump(mode="json", include=set(SourceBody.model_fields))
