"""The bodies of v2 writes (docs/pipedrive-api.md#writes; OpenAPI v2)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipedrive_orchestration.demo.bodies import (
    Body,
    CustomFields,
    Date,
    Id,
    Instant,
    Number,
    Text,
    TimeOfDay,
    Uuid,
)

VisibleTo = Literal[1, 3, 5, 7]
Percent = Annotated[float, Field(ge=0, le=100)]
NotNegative = Annotated[int, Field(ge=0)]


class Address(Body):
    """An address; what is left out becomes null."""

    value: Text | None = None
    country: str | None = None
    admin_area_level_1: str | None = None
    admin_area_level_2: str | None = None
    locality: str | None = None
    sublocality: str | None = None
    route: str | None = None
    street_number: str | None = None
    subpremise: str | None = None
    postal_code: str | None = None


class Contact(Body):
    """An email address, a phone number or an instant messenger."""

    value: Text
    primary: bool = False
    label: str = "work"


class Deal(Body):
    """``PATCH /deals/{id}``."""

    title: Text = ""
    owner_id: Id = 0
    person_id: Id | None = None
    org_id: Id | None = None
    pipeline_id: Id = 0
    stage_id: Id = 0
    value: Number | None = None
    currency: Text = ""
    is_deleted: bool = False
    is_archived: bool = False
    archive_time: Instant | None = None
    status: Literal["open", "won", "lost"] = "open"
    probability: Percent | None = None
    lost_reason: Text | None = None
    visible_to: VisibleTo = 3
    close_time: Instant | None = None
    won_time: Instant | None = None
    lost_time: Instant | None = None
    expected_close_date: Date | None = None
    label_ids: list[Id] = Field(default_factory=list)
    channel_id: Text | None = None
    custom_fields: CustomFields = Field(default_factory=dict)


class NewDeal(Deal):
    """``POST /deals``."""

    title: Text


class Person(Body):
    """``PATCH /persons/{id}``."""

    name: Text = ""
    owner_id: Id = 0
    org_id: Id | None = None
    emails: list[Contact] = Field(default_factory=list)
    phones: list[Contact] = Field(default_factory=list)
    visible_to: VisibleTo = 3
    label_ids: list[Id] = Field(default_factory=list)
    postal_address: Address | None = None
    notes: Text | None = None
    im: list[Contact] = Field(default_factory=list)
    birthday: Date | None = None
    job_title: Text | None = None
    marketing_status: Literal["no_consent", "unsubscribed", "subscribed", "archived"] = "no_consent"
    custom_fields: CustomFields = Field(default_factory=dict)


class NewPerson(Person):
    """``POST /persons``."""

    name: Text
    add_time: Instant = ""


class Organization(Body):
    """``PATCH /organizations/{id}``."""

    name: Text = ""
    owner_id: Id = 0
    visible_to: VisibleTo = 3
    label_ids: list[Id] = Field(default_factory=list)
    address: Address | None = None
    website: Text | None = None
    linkedin: Text | None = None
    industry: int | None = None
    annual_revenue: int | None = None
    employee_count: NotNegative | None = None
    custom_fields: CustomFields = Field(default_factory=dict)


class NewOrganization(Organization):
    """``POST /organizations``."""

    name: Text
    add_time: Instant = ""


class Participant(Body):
    """Who takes part in an activity."""

    person_id: Id
    primary: bool = False


class Attendee(Body):
    """Who is invited to an activity."""

    email: Text
    name: str | None = None
    status: str | None = None
    is_organizer: bool = False
    person_id: Id | None = None
    user_id: Id | None = None


class Activity(Body):
    """``POST /activities`` and ``PATCH /activities/{id}``; ``person_id`` follows from participants."""

    subject: Text = ""
    type: Text = ""
    owner_id: Id = 0
    deal_id: Id | None = None
    lead_id: Uuid | None = None
    org_id: Id | None = None
    project_id: Id | None = None
    due_date: Date | None = None
    due_time: TimeOfDay | None = None
    duration: TimeOfDay | None = None
    busy: bool = False
    done: bool = False
    location: Address | None = None
    participants: list[Participant] = Field(default_factory=list)
    attendees: list[Attendee] = Field(default_factory=list)
    public_description: Text | None = None
    priority: int | None = None
    note: Annotated[Text, Field(max_length=100 * 1024)] | None = None
    outcome: int | None = None


class Price(Body):
    """What a product costs in one currency."""

    price: Number
    currency: Text
    cost: Number = 0
    direct_cost: Number | None = None
    notes: str = ""


class Product(Body):
    """``PATCH /products/{id}``; ``prices`` replaces all of them."""

    name: Text = ""
    code: Text | None = None
    description: Text | None = None
    unit: Text | None = None
    tax: Percent = 0
    category: Number | None = None
    owner_id: Id = 0
    is_linkable: bool = True
    visible_to: VisibleTo = 3
    prices: list[Price] = Field(default_factory=list)
    custom_fields: CustomFields = Field(default_factory=dict)
    billing_frequency: Literal["one-time", "annually", "semi-annually", "quarterly", "monthly", "weekly"] = (
        "one-time"
    )
    billing_frequency_cycles: Annotated[int, Field(ge=1, le=208)] | None = None


class NewProduct(Product):
    """``POST /products``."""

    name: Text


class Pipeline(Body):
    """``PATCH /pipelines/{id}``."""

    name: Text = ""
    is_deal_probability_enabled: bool = False


class NewPipeline(Pipeline):
    """``POST /pipelines``."""

    name: Text


class Stage(Body):
    """``PATCH /stages/{id}``."""

    name: Text = ""
    pipeline_id: Id = 0
    deal_probability: Annotated[int, Field(ge=0, le=100)] = 100
    is_deal_rot_enabled: bool = False
    days_to_rotten: Annotated[int, Field(ge=1)] | None = None


class NewStage(Stage):
    """``POST /stages``."""

    name: Text
    pipeline_id: Id
