"""The bodies of v1 writes (docs/pipedrive-api.md#writes; OpenAPI v1)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from pipedrive_orchestration.demo.bodies import Body, Date, Id, Number, Text, Uuid
from pipedrive_orchestration.demo.clock import V1_TIME
from pipedrive_orchestration.demo.parameters import v1_instant

VisibleTo = Literal["1", "3", "5", "7"]
Pin = Literal[0, 1]
LabelColor = Literal[
    "blue", "brown", "dark-gray", "gray", "green", "orange", "pink", "purple", "red", "yellow"
]
IconKey = Literal[
    "task", "email", "meeting", "deadline", "call", "lunch", "calendar", "downarrow", "document",
    "smartphone", "camera", "scissors", "cogs", "bubble", "uparrow", "checkbox", "signpost", "shuffle",
    "addressbook", "linegraph", "picture", "car", "world", "search", "clip", "sound", "brush", "key",
    "padlock", "pricetag", "suitcase", "finish", "plane", "loop", "wifi", "truck", "cart", "bulb", "bell",
    "presentation",
]  # fmt: skip


def _v1_instant(text: str) -> str:
    return v1_instant(text).strftime(V1_TIME)


V1Instant = Annotated[str, AfterValidator(_v1_instant)]


class Amount(Body):
    """The value of a lead."""

    amount: Number
    currency: Text


class Lead(Body):
    """``PATCH /leads/{id}``; custom fields come beside these keys, see the leads' writes."""

    title: Text = ""
    owner_id: Id = 0
    label_ids: list[Uuid] = Field(default_factory=list)
    person_id: Id | None = None
    organization_id: Id | None = None
    is_archived: bool = False
    value: Amount | None = None
    expected_close_date: Date | None = None
    visible_to: VisibleTo = "3"
    was_seen: bool = False
    channel: int | None = None
    channel_id: Text | None = None


class NewLead(Body):
    """``POST /leads``."""

    title: Text
    owner_id: Id = 0
    label_ids: list[Uuid] = Field(default_factory=list)
    person_id: Id | None = None
    organization_id: Id | None = None
    value: Amount | None = None
    expected_close_date: Date | None = None
    visible_to: VisibleTo = "3"
    was_seen: bool = False
    origin_id: Text | None = None
    channel: int | None = None
    channel_id: Text | None = None


class LeadLabel(Body):
    """``PATCH /leadLabels/{id}``."""

    name: Text = ""
    color: LabelColor = "blue"


class NewLeadLabel(Body):
    """``POST /leadLabels``."""

    name: Text
    color: LabelColor


class Note(Body):
    """``PUT /notes/{id}``."""

    content: Text = ""
    lead_id: Uuid | None = None
    deal_id: Id | None = None
    person_id: Id | None = None
    org_id: Id | None = None
    project_id: Id | None = None
    task_id: Id | None = None
    user_id: Id = 0
    add_time: V1Instant = ""
    pinned_to_lead_flag: Pin = 0
    pinned_to_deal_flag: Pin = 0
    pinned_to_organization_flag: Pin = 0
    pinned_to_person_flag: Pin = 0
    pinned_to_project_flag: Pin = 0
    pinned_to_task_flag: Pin = 0


class NewNote(Note):
    """``POST /notes``."""

    content: Text


class ActivityType(Body):
    """``PUT /activityTypes/{id}``."""

    name: Text = ""
    icon_key: IconKey = "task"
    color: Annotated[str, Field(pattern="^[0-9A-Fa-f]{6}$")] = "FFFFFF"
    order_nr: Annotated[int, Field(ge=0)] = 0


class NewActivityType(Body):
    """``POST /activityTypes``."""

    name: Text
    icon_key: IconKey
    color: Annotated[str, Field(pattern="^[0-9A-Fa-f]{6}$")] = "FFFFFF"


FilterType = Literal["deals", "leads", "org", "people", "products", "activity"]
"""Without projects, which the demo account does not have."""


class Filter(Body):
    """``PUT /filters/{id}``."""

    name: Text = ""
    conditions: dict[str, Any]


class NewFilter(Body):
    """``POST /filters``."""

    name: Text
    type: FilterType
    conditions: dict[str, Any]


class Merge(Body):
    """``PUT`` of a merge: the record that survives it."""

    merge_with_id: Id
