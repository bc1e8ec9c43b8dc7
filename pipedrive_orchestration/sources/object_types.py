"""Object types that a project adds to the built-in ones, each by a file ``object_types/<name>.yaml``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
)

from pipedrive_orchestration.pipedrive.builtin_fields import Property
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.pipedrive.object_types import (
    MAX_IDS_PER_REQUEST,
    MAX_PAGE_SIZE,
    Bounds,
    Catalogue,
    CustomFields,
    Entries,
    ObjectType,
    Paging,
    Parent,
)
from pipedrive_orchestration.sources.validation import (
    InvalidBodyError,
    Problem,
    Text,
    did_you_mean,
    problems_of,
    refusal,
)
from pipedrive_orchestration.sources.yaml_files import BadFile, YamlFolder, locate

FOLDER = "object_types"
"""The folder of a project in which its files lie."""

_PATH = re.compile(r"(/api/v2|/v1)(/[A-Za-z0-9_-]+|/\{parent\})+")
_PER_PARENT = "{parent}"


def _path(value: str) -> str:
    if not _PATH.fullmatch(value):
        raise refusal(
            "invalid_path",
            f"`{value}` is not a path of a list: /api/v2/... or /v1/..., without host and query; "
            f"{_PER_PARENT} stands for the id of a parent.",
        )
    return value


FIELD_TYPES = tuple(sorted({prop.field_type for one in BUILT_IN.values() for prop in one.properties}))
"""What the type of a property can be."""


def _field_type(value: str) -> str:
    if value not in FIELD_TYPES:
        message = f"`{value}` is not a type of a property.{did_you_mean(value, FIELD_TYPES)}"
        raise refusal("unknown_type", f"{message} Types: {', '.join(FIELD_TYPES)}.")
    return value


def _key(value: str) -> str:
    if value.startswith("_"):
        raise refusal("invalid_key", "The names of a table's own columns begin with `_`.")
    return value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Path_ = Annotated[StrictStr, AfterValidator(_path)]
Tokens = Annotated[StrictInt, Field(ge=1, le=1000)]
Key = Annotated[Text, AfterValidator(_key)]
FieldType = Annotated[StrictStr, AfterValidator(_field_type)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ParentPart(_Part):
    """The collection along which another one is read, record by record."""

    object_type: Text
    parameter: Text | None = Field(default=None, description="The query parameter that names a parent.")
    batch: Annotated[StrictInt, Field(ge=1, le=MAX_IDS_PER_REQUEST)] = 1
    property: Key | None = None
    counted: Key | None = None
    least: StrictInt | None = None
    is_history: StrictBool = False
    is_stamped: StrictBool = False


class ListPart(_Part):
    """Another list of a collection: that of its fields, or that of its archived records."""

    path: Path_
    tokens: Tokens
    scopes: tuple[Text, ...] = ()
    key: Key = Field(default="is_archived", description="By which an archived record says so.")


class EntriesPart(_Part):
    """An answer whose data is an object, each entry of which is a record."""

    key: Key
    value: Key


class ObjectTypeDraft(BaseModel):
    """What a file says of a collection, but for its properties."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path_
    tokens: Tokens
    tokens_of_one: Tokens | None = None
    paging: Paging | None = None
    page_size: Annotated[StrictInt, Field(ge=1, le=MAX_PAGE_SIZE)] = MAX_PAGE_SIZE
    bounds: Bounds = Bounds.NONE
    query: dict[Text, StrictStr] = Field(default_factory=dict)
    id: Annotated[tuple[Key, ...], BeforeValidator(_listed), Field(min_length=1)] = ("id",)
    id_type: Literal["int", "uuid", "text"] = "int"
    update_time: Key = "update_time"
    records: Text | None = None
    entries: EntriesPart | None = None
    inside: Text | None = None
    plain: Key | None = None
    withheld: tuple[Text, ...] = ()
    parent: ParentPart | None = None
    fields: ListPart | None = None
    custom_fields: CustomFields = CustomFields.NONE
    archived: ListPart | None = None
    filters: tuple[Text, ...] = ()
    recents: Text | None = None
    scopes: tuple[Text, ...] = ()
    requires: Text | None = None

    @classmethod
    def parse(cls, data: Any) -> Self:
        """Reads the content of a file; a field that is null counts as absent.

        Raises:
            InvalidBodyError: With every problem found.
        """
        if not isinstance(data, Mapping):
            message = "An object type is a mapping of fields to values, with at least path and tokens."
            raise InvalidBodyError([Problem("", "not_a_mapping", message)])
        given = {str(field): value for field, value in data.items() if value is not None}
        try:
            read = cls.model_validate(given)
        except ValidationError as error:
            raise InvalidBodyError(problems_of(error, {"": cls, **_MODELS})) from None
        problems = list(read.problems())
        if problems:
            raise InvalidBodyError(problems)
        return read

    @property
    def paged(self) -> Paging:
        """How the list is read page after page: v2 by cursor and v1 by offset, if nothing else is said."""
        if self.paging is not None:
            return self.paging
        return Paging.CURSOR if self.path.startswith("/api/v2") else Paging.OFFSET

    def problems(self) -> Iterable[Problem]:
        """What does not go together."""
        names_parent = _PER_PARENT in self.path
        if self.parent is None:
            if names_parent:
                yield Problem("path", "no_parent", f"{_PER_PARENT} needs a `parent`.")
            if len(self.id) > 1:
                yield Problem("id", "no_parent", "Only children can be known by several properties.")
        else:
            yield from self._problems_of_parent(self.parent, names_parent=names_parent)
        if self.bounds is Bounds.BOTH and self.paged is not Paging.CURSOR:
            yield Problem("bounds", "unfit_bounds", "Only v2 lists by cursor have an upper bound.")
        if self.bounds is Bounds.ORDER and self.paged is not Paging.OFFSET:
            yield Problem("bounds", "unfit_bounds", "Only v1 lists by offset are read by order alone.")
        if self.bounds is not Bounds.NONE:
            yield from self._problems_of_windows()
        if self.paged is not Paging.NONE and (self.entries or self.records):
            message = "Records that are not the list itself come in one answer: write `paging: none`."
            yield Problem("paging", "unfit_paging", message)
        if self.entries is not None and self.records is not None:
            yield Problem("entries", "unfit_records", "Records are either entries or in a list: not both.")
        if self.custom_fields is not CustomFields.NONE and self.fields is None:
            yield Problem("custom_fields", "no_fields", "Custom fields need the list of `fields`.")

    def _problems_of_windows(self) -> Iterable[Problem]:
        if self.paged is Paging.NONE:
            yield Problem("bounds", "unfit_bounds", "A list that comes in one answer has no bounds.")
        if self.query:
            yield Problem("query", "unfit_query", "A list with bounds is asked for by these alone.")
        if self.update_time != "update_time":
            message = "A list with bounds is read by `update_time`."
            yield Problem("update_time", "unfit_update_time", message)

    def _problems_of_parent(self, parent: ParentPart, *, names_parent: bool) -> Iterable[Problem]:
        if names_parent == (parent.parameter is not None):
            message = f"Name the parent in the path, as {_PER_PARENT}, or by `parameter`: one of the two."
            yield Problem("parent", "unnamed_parent", message)
        if parent.batch > 1 and parent.property is None:
            message = "Of several parents a request, a child has to say whose it is: name the `property`."
            yield Problem("parent.batch", "unknown_parent", message)
        if self.bounds is not Bounds.NONE:
            yield Problem("bounds", "unfit_bounds", "Children are read per parent, without bounds.")
        if self.entries is not None and len(self.id) > 1:
            yield Problem("id", "unfit_id", "An entry is known by its key alone.")

    def object_type(self, name: str, known: Catalogue, properties: tuple[Property, ...]) -> ObjectType:
        """The object type.

        Args:
            name: The name of its file.
            known: Has its parent.
            properties: Those of its records.
        """
        keys = self.id if self.parent is not None and self.id != ("id",) else ()
        row = ObjectType(
            name,
            self.path,
            self.tokens,
            properties,
            paging=self.paged,
            bounds=self.bounds,
            get_cost=self.tokens_of_one,
            id_type="text" if keys else self.id_type,
            id_key="id" if keys else self.id[0],
            page_size=self.page_size,
            records=Entries(self.entries.key, self.entries.value) if self.entries else self.records or "",
            withheld=frozenset(self.withheld),
            questions=(tuple(self.query.items()),),
            requires=self.requires or "",
            filters=self.filters,
            recents_item=self.recents,
            scopes=self.scopes,
            stamp=self.update_time,
            inner=self.inside or "",
            plain=self.plain or "",
            custom_fields=self.custom_fields,
        )
        if self.fields is not None:
            row = replace(
                row,
                fields_path=self.fields.path,
                fields_cost=self.fields.tokens,
                fields_scopes=self.fields.scopes,
            )
        if self.archived is not None:
            row = replace(
                row,
                archived_path=self.archived.path,
                archived_cost=self.archived.tokens,
                archived_key=self.archived.key,
            )
        if self.parent is None:
            return row
        part = self.parent
        parent = Parent(
            known[part.object_type],
            parameter=part.parameter,
            batch=part.batch,
            property=part.property,
            counted=part.counted,
            least=part.least,
            key=keys,
            is_history=part.is_history,
            is_stamped=part.is_stamped,
        )
        return replace(row, parent=parent)


class ObjectTypeFile(ObjectTypeDraft):
    """The content of a file: a collection, and the properties of its records with their types."""

    properties: Annotated[dict[Key, FieldType], Field(min_length=1)]
    optional: tuple[Key, ...] = ()
    alone: tuple[Key, ...] = ()

    def problems(self) -> Iterable[Problem]:
        """What does not go together."""
        yield from super().problems()
        named = [("id", key) for key in self.id]
        named += [("parent.property", self.parent.property)] if self.parent and self.parent.property else []
        named += [("plain", self.plain)] if self.plain else []
        named += (
            [("entries", part) for part in (self.entries.key, self.entries.value)] if self.entries else []
        )
        named += [("update_time", self.update_time)] if self.bounds is not Bounds.NONE else []
        named += [(name, key) for name in ("optional", "alone") for key in getattr(self, name)]
        for field, key in named:
            if key not in self.properties:
                message = f"`{key}` is not among the properties.{did_you_mean(key, self.properties)}"
                yield Problem(field, "unknown_property", message)


_MODELS: dict[str, type[BaseModel]] = {
    "parent": ParentPart,
    "fields": ListPart,
    "archived": ListPart,
    "entries": EntriesPart,
}


class OwnObjectType(ObjectTypeFile):
    """An object type of a project: the content of its file, and the file's name."""

    name: StrictStr

    def row(self, known: Catalogue) -> ObjectType:
        """The object type, as a catalogue has it; ``known`` has its parent."""
        properties = (
            Property(key, field_type, optional=key in self.optional, alone=key in self.alone)
            for key, field_type in self.properties.items()
        )
        return self.object_type(self.name, known, tuple(properties))


def catalogue_with(own: Iterable[OwnObjectType]) -> Catalogue:
    """The built-in object types and those of a project, each of which comes after its parent."""
    own = tuple(own)
    if not own:
        return BUILT_IN
    catalogue = dict(BUILT_IN)
    for one in own:
        catalogue[one.name] = one.row(catalogue)
    return catalogue


@dataclass(frozen=True, slots=True)
class LoadedObjectTypes:
    """The content of the folder: the object types, parents first, and the files that are left out."""

    own: tuple[OwnObjectType, ...] = ()
    bad_files: tuple[BadFile, ...] = ()

    @property
    def catalogue(self) -> Catalogue:
        """The object types of the project."""
        return catalogue_with(self.own)


NO_OBJECT_TYPES = LoadedObjectTypes()


class ObjectTypeStore:
    """The object types of a project folder beside the built-in ones.

    Args:
        project: The project folder; its object types are ``object_types/<name>.yaml``.
    """

    def __init__(self, project: Path | str) -> None:
        self.folder = Path(project) / FOLDER
        self._files = YamlFolder(self.folder, "collection", frozenset(BUILT_IN))

    def load(self) -> LoadedObjectTypes:
        """Reads every file; a bad one is reported and never keeps the others from loading."""
        if not self.folder.is_dir():
            return NO_OBJECT_TYPES
        read, bad_files = self._files.read(ObjectTypeFile.parse)
        waiting = {name: _named(name, file) for name, file in read.items()}
        own: list[OwnObjectType] = []
        known = set(BUILT_IN)
        while ready := [
            one for one in waiting.values() if one.parent is None or one.parent.object_type in known
        ]:
            own += ready
            known.update(one.name for one in ready)
            for one in ready:
                del waiting[one.name]
        orphans = [self._orphan(one, known | waiting.keys()) for one in waiting.values()]
        # What is wrong with an object type is not told of a source that happens to have its name.
        return LoadedObjectTypes(tuple(own), tuple(replace(bad, slug="") for bad in (*bad_files, *orphans)))

    def _orphan(self, one: OwnObjectType, known: Iterable[str]) -> BadFile:
        assert one.parent is not None
        parent, path = one.parent.object_type, self._files.file_of(one.name)
        message = f"`{parent}` is not an object type that could be read.{did_you_mean(parent, known)}"
        problem = Problem("parent.object_type", "unknown_object_type", message)
        return BadFile(str(path), one.name, tuple(locate(path, [problem])))


def _named(name: str, file: ObjectTypeFile) -> OwnObjectType:
    fields = {field: getattr(file, field) for field in ObjectTypeFile.model_fields}
    return OwnObjectType.model_validate({**fields, "name": name})
