"""The query parameters of every v2 list and single read, as the OpenAPI file declares them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipedrive_orchestration.demo.account.layouts import optional_properties
from pipedrive_orchestration.demo.parameters import (
    Boolean,
    Direction,
    IdList,
    Instant,
    Integer,
    Limit,
    Names,
    Query,
    Uuid,
    Words,
    choices,
)
from pipedrive_orchestration.pipedrive.object_types import MAX_CUSTOM_FIELDS_PER_REQUEST

CustomFieldCodes = Annotated[Words, Field(max_length=MAX_CUSTOM_FIELDS_PER_REQUEST)]
DealOptional = Annotated[Names, choices(*optional_properties("deals"))]
PersonOptional = Annotated[Names, choices(*optional_properties("persons"))]
OrganizationOptional = Annotated[Names, choices(*optional_properties("organizations"))]


class PageQuery(Query):
    """A list in pages."""

    limit: Limit = 100
    cursor: str | None = None


class SortedQuery(PageQuery):
    """A list in pages that can be sorted."""

    sort_by: Literal["id", "update_time", "add_time"] = "id"
    sort_direction: Direction = "asc"


class FilteredQuery(SortedQuery):
    """A list that a stored filter, ids, an owner or a lower bound of ``update_time`` can narrow."""

    filter_id: Integer | None = None
    ids: IdList | None = None
    owner_id: Integer | None = None
    updated_since: Instant | None = None


class DealQuery(Query):
    """``GET /deals/{id}``."""

    include_fields: DealOptional = ()
    custom_fields: CustomFieldCodes = ()
    include_option_labels: Boolean = False
    include_labels: Boolean = False


class PersonQuery(Query):
    """``GET /persons/{id}``."""

    include_fields: PersonOptional = ()
    custom_fields: CustomFieldCodes = ()
    include_option_labels: Boolean = False
    include_labels: Boolean = False


class OrganizationQuery(Query):
    """``GET /organizations/{id}``."""

    include_fields: OrganizationOptional = ()
    custom_fields: CustomFieldCodes = ()
    include_option_labels: Boolean = False
    include_labels: Boolean = False


class ActivityQuery(Query):
    """``GET /activities/{id}``."""

    include_fields: Annotated[Names, choices("attendees")] = ()


class ArchivedDealsQuery(FilteredQuery):
    """``GET /deals/archived``."""

    updated_until: Instant | None = None
    person_id: Integer | None = None
    org_id: Integer | None = None
    pipeline_id: Integer | None = None
    stage_id: Integer | None = None
    status: Annotated[Names, choices("open", "won", "lost", "deleted")] = ()
    include_fields: DealOptional = ()
    custom_fields: CustomFieldCodes = ()


class DealsQuery(ArchivedDealsQuery):
    """``GET /deals``."""

    include_option_labels: Boolean = False
    include_labels: Boolean = False


class PersonsQuery(FilteredQuery, PersonQuery):
    """``GET /persons``."""

    updated_until: Instant | None = None
    org_id: Integer | None = None
    deal_id: Integer | None = None


class OrganizationsQuery(FilteredQuery, OrganizationQuery):
    """``GET /organizations``."""

    updated_until: Instant | None = None


class ActivitiesQuery(FilteredQuery, ActivityQuery):
    """``GET /activities``."""

    sort_by: Literal["id", "update_time", "add_time", "due_date"] = "id"  # type: ignore[assignment]
    updated_until: Instant | None = None
    deal_id: Integer | None = None
    lead_id: Uuid | None = None
    person_id: Integer | None = None
    org_id: Integer | None = None
    done: Boolean | None = None


class ProductsQuery(FilteredQuery):
    """``GET /products``."""

    sort_by: Literal["id", "name", "add_time", "update_time"] = "id"  # type: ignore[assignment]
    custom_fields: CustomFieldCodes = ()


class StagesQuery(SortedQuery):
    """``GET /stages``."""

    sort_by: Literal["id", "update_time", "add_time", "order_nr"] = "id"  # type: ignore[assignment]
    pipeline_id: Integer | None = None


class FieldQuery(Query):
    """A single field; what can be included differs between object types."""

    include_fields: Names = ()


class FieldsQuery(PageQuery):
    """A list of fields, likewise."""

    include_fields: Names = ()


AllOfField = Annotated[Names, choices("ui_visibility", "important_fields", "required_fields")]
Visibility = Annotated[Names, choices("ui_visibility")]


class FullFieldQuery(FieldQuery):
    """``GET /dealFields/{field_code}`` and those of persons and organizations."""

    include_fields: AllOfField = ()


class FullFieldsQuery(FieldsQuery):
    """``GET /dealFields`` and those of persons and organizations."""

    include_fields: AllOfField = ()


class VisibilityFieldQuery(FieldQuery):
    """``GET /productFields/{field_code}`` and ``GET /activityFields/{field_code}``."""

    include_fields: Visibility = ()


class VisibilityFieldsQuery(FieldsQuery):
    """``GET /productFields`` and ``GET /activityFields``."""

    include_fields: Visibility = ()
