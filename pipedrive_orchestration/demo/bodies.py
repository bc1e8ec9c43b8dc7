"""Request bodies (docs/pipedrive-api.md#writes): nothing is coerced, nothing unknown is let through.

A table names a type and the keys of that type, and so on. ``[type]`` is a list, and a type that ends in
``?`` takes null as well. A key that ends in ``!`` has to be given when something is created, ``!!`` at any
time, ``~`` when something is changed; ``+`` marks a key of creations only, ``-`` one of changes only.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticCustomError

from pipedrive_orchestration.demo.call import Call
from pipedrive_orchestration.demo.clock import V1_TIME
from pipedrive_orchestration.demo.parameters import (
    calendar_date,
    refusal,
    uuid_text,
    v1_instant,
    v2_instant,
)


class Body(BaseModel):
    """The base of all bodies. Defaults stand for "not given" and are never read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def read(call: Call, content: Any = None, table: str = "") -> dict[str, Any]:
    """The keys that the body of a call gives.

    Args:
        call: the call.
        content: the body, if it has been read already.
        table: what it may hold; by default what records of the call's collection may.

    Raises:
        ApiError: 400 naming every unknown, missing or malformed key.
    """
    content = call.json() if content is None else content
    if not isinstance(content, dict):
        raise call.refusal("The request body has to be a JSON object.")
    model = model_of(table or BODIES[call.name], new=call.operation.method == "POST")
    try:
        if (call.operation.method, call.operation.path) in FORMS:
            # All that a form holds is text, but for a file.
            texts = {key: value if isinstance(value, dict) else str(value) for key, value in content.items()}
            return model.model_validate_strings(texts).model_dump(exclude_unset=True)
        return model.model_validate(content).model_dump(exclude_unset=True)
    except ValidationError as error:
        raise refusal(call.operation.version, error) from None


def read_list(call: Call, table: str) -> list[dict[str, Any]]:
    """The same for a body that is a list of such objects, one at least."""
    content = call.json()
    if not isinstance(content, list) or not content:
        raise call.refusal("The request body has to be a list of one object at least.")
    return [read(call, item, table) for item in content]


@cache
def model_of(table: str, *, new: bool) -> type[Body]:
    """The model of a table, for something new or for a change."""
    fields: dict[str, Any] = {}
    for line in table.split(";"):
        type_name, _, keys = line.strip().partition(":")
        one: Any = TYPES[type_name.strip("[]?")]
        kind: Any = list[one] if type_name[0] == "[" else one
        for word in keys.split():
            key, marks = re.fullmatch(r"(\w+)(\W*)", word).groups()  # type: ignore[union-attr]
            if ("-" if new else "+") not in marks:
                required = "!!" in marks or ("!" if new else "~") in marks
                fields[key] = (kind | None if type_name[-1] == "?" else kind, ... if required else None)
    return create_model("Content", __base__=Body, **fields)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("demo", "This value should be a non-empty string; use null to clear it")
    return text


def _instant(text: str) -> str:
    v2_instant(text)
    return text


def _v1_instant(text: str) -> str:
    return v1_instant(text).strftime(V1_TIME)


def _time_of_day(text: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?", text):
        raise PydanticCustomError("demo", "This value is not a valid time")
    return text


def _whole_time_of_day(text: str) -> str:
    if text.count(":") != 2:
        raise PydanticCustomError("demo", "This value should be a time such as 09:00:00")
    return _time_of_day(text)


_TEXT = Annotated[str, AfterValidator(_not_blank)]

TYPES: dict[str, Any] = {
    "text": _TEXT,
    "string": str,
    "note": Annotated[_TEXT, Field(max_length=100 * 1024)],
    "name": Annotated[_TEXT, Field(max_length=255)],
    "number": float,
    "percent": Annotated[float, Field(ge=0, le=100)],
    "whole": int,
    "whole percent": Annotated[int, Field(ge=0, le=100)],
    "count": Annotated[int, Field(ge=0)],
    "days": Annotated[int, Field(ge=1)],
    "cycles": Annotated[int, Field(ge=1, le=208)],
    "boolean": bool,
    "pin": Literal[0, 1],
    "id": Annotated[int, Field(gt=0)],
    "uuid": Annotated[str, AfterValidator(uuid_text)],
    "instant": Annotated[str, AfterValidator(_instant)],
    "v1 instant": Annotated[str, AfterValidator(_v1_instant)],
    "date": Annotated[str, AfterValidator(calendar_date)],
    "clock": Annotated[str, AfterValidator(_time_of_day)],
    "time": Annotated[str, AfterValidator(_whole_time_of_day)],
    "object": dict[str, Any],
    "visibility": Literal[1, 3, 5, 7],
    "v1 visibility": Literal["1", "3", "5", "7"],
    "status": Literal["open", "won", "lost"],
    "marketing": Literal["no_consent", "unsubscribed", "subscribed", "archived"],
    "billing": Literal["one-time", "annually", "semi-annually", "quarterly", "monthly", "weekly"],
    "hex color": Annotated[str, Field(pattern="^[0-9A-Fa-f]{6}$")],
    "label color": Literal[
        "blue", "brown", "dark-gray", "gray", "green", "orange", "pink", "purple", "red", "yellow"
    ],
    "icon": Literal[
        "task", "email", "meeting", "deadline", "call", "lunch", "calendar", "downarrow", "document",
        "smartphone", "camera", "scissors", "cogs", "bubble", "uparrow", "checkbox", "signpost", "shuffle",
        "addressbook", "linegraph", "picture", "car", "world", "search", "clip", "sound", "brush", "key",
        "padlock", "pricetag", "suitcase", "finish", "plane", "loop", "wifi", "truck", "cart", "bulb", "bell",
        "presentation",
    ],
    "filter type": Literal["deals", "leads", "org", "people", "products", "activity", "projects"],
    "event action": Literal["create", "change", "delete", "*"],
    "event object": Literal[
        "activity", "deal", "lead", "note", "organization", "person", "pipeline", "product", "stage", "user",
        "*",
    ],
    "event version": Literal["1.0", "2.0"],
    "file": dict[str, str],
    "form flag": Annotated[int, Field(ge=0, le=1)],
    "access": dict[str, Any],
    "goal interval": Literal["weekly", "monthly", "quarterly", "yearly"],
    "call outcome": Literal[
        "connected", "no_answer", "left_message", "left_voicemail", "wrong_number", "busy"
    ],
    "relation": Literal["parent", "related"],
    "tax method": Literal["exclusive", "inclusive", "none"],
    "discount type": Literal["percentage", "amount"],
    "document type": Literal["gdoc", "gslides", "gsheet", "gform", "gdraw"],
    "document owner": Literal["deal", "organization", "person"],
    "document place": Literal["googledrive"],
    "field type": Literal[
        "varchar", "varchar_auto", "text", "double", "monetary", "enum", "set", "user",
        "org", "people", "phone", "date", "daterange", "time", "timerange", "address",
    ],
}  # fmt: skip
for _name, _table in {
    "address": """text?: value; string?: country admin_area_level_1 admin_area_level_2 locality sublocality
        route street_number subpremise postal_code""",
    "contact": "text: value!; boolean: primary; string: label",
    "participant": "id: person_id!; boolean: primary",
    "attendee": "text: email!; string?: name status; boolean: is_organizer; id?: person_id user_id",
    "price": "number: price! cost; text: currency!; number?: direct_cost; string: notes",
    "amount": "number: amount!; text: currency!",
    "option": "name: label!",
}.items():
    TYPES[_name] = model_of(_table, new=True)

BODIES = {
    "deals": """text: title! currency; id: owner_id pipeline_id stage_id; id?: person_id org_id;
        number?: value; boolean: is_deleted is_archived; percent?: probability; status: status;
        instant?: archive_time close_time won_time lost_time; text?: lost_reason channel_id;
        visibility: visible_to; date?: expected_close_date; [id]: label_ids; object: custom_fields""",
    "persons": """text: name!; id: owner_id; id?: org_id; [contact]: emails phones im; visibility: visible_to;
        [id]: label_ids; address?: postal_address; text?: notes job_title; date?: birthday;
        marketing: marketing_status; instant: add_time+; object: custom_fields""",
    "organizations": """text: name!; id: owner_id; visibility: visible_to; [id]: label_ids; address?: address;
        text?: website linkedin; whole?: industry annual_revenue; count?: employee_count;
        instant: add_time+; object: custom_fields""",
    "activities": """text: subject type; id: owner_id; id?: deal_id org_id project_id; uuid?: lead_id;
        date?: due_date; clock?: due_time duration; boolean: busy done; address?: location;
        [participant]: participants; [attendee]: attendees; text?: public_description;
        whole?: priority outcome; note?: note""",
    "products": """text: name!; text?: code description unit; percent: tax; number?: category; id: owner_id;
        boolean: is_linkable; visibility: visible_to; [price]: prices; object: custom_fields;
        billing: billing_frequency; cycles?: billing_frequency_cycles""",
    "pipelines": "text: name!; boolean: is_deal_probability_enabled",
    "stages": """text: name!; id: pipeline_id!; whole percent: deal_probability; boolean: is_deal_rot_enabled;
        days?: days_to_rotten""",
    "leads": """text: title!; id: owner_id; [uuid]: label_ids; id?: person_id organization_id;
        boolean: is_archived- was_seen; amount?: value; date?: expected_close_date; v1 visibility: visible_to;
        whole?: channel; text?: channel_id origin_id+""",
    "lead_labels": "text: name!; label color: color!",
    "notes": """text: content!; uuid?: lead_id; id?: deal_id person_id org_id project_id task_id; id: user_id;
        v1 instant: add_time; pin: pinned_to_lead_flag pinned_to_deal_flag pinned_to_organization_flag
        pinned_to_person_flag pinned_to_project_flag pinned_to_task_flag""",
    "activity_types": "text: name!; icon: icon_key!; hex color: color; count: order_nr-",
    "filters": "text: name!; filter type: type!+; object: conditions!!",
    "webhooks": """text: subscription_url!; name: name!; event action: event_action!;
        event object: event_object!; id: user_id; text?: http_auth_user http_auth_password;
        event version: version""",
    "product_fields": """name: field_name!; field type: field_type!+; [option]: options+;
        object: ui_visibility""",
    "person_fields": """name: field_name!; field type: field_type!+; [option]: options+;
        object: ui_visibility important_fields required_fields""",
    "organization_fields": """name: field_name!; field type: field_type!+; [option]: options+;
        object: ui_visibility important_fields required_fields""",
    "deal_fields": """name: field_name!; field type: field_type!+; [option]: options+; string?: description;
        object: ui_visibility important_fields required_fields""",
    "project_fields": """name: field_name!; field type: field_type!+; [option]: options+;
        object: ui_visibility important_fields required_fields""",
    "projects": """text: title!; text?: description; string: status;
        id: board_id phase_id owner_id template_id; date?: start_date end_date;
        [id]: deal_ids person_ids org_ids label_ids; whole?: health_status; object: custom_fields""",
    "tasks": """text: title!; id: project_id!; id?: parent_task_id assignee_id; text?: description;
        pin: done milestone; date?: due_date start_date; [id]: assignee_ids; whole?: priority""",
    "boards": "name: name!; whole: order_nr",
    "phases": "name: name!; id: board_id!; whole: order_nr",
    "roles": "text: name!; id?: parent_role_id",
    "users": "text: email!+; [access]: access+; boolean: active_flag~",
    "goals": """text: title; object: assignee! type! expected_outcome! duration!;
        goal interval: interval!""",
    "legacy_teams": """text: name!; text?: description; id: manager_id!; [id]: users;
        pin: active_flag- deleted_flag-""",
    "call_logs": """id: user_id activity_id person_id org_id deal_id; uuid: lead_id;
        text: subject duration from_phone_number note to_phone_number!; call outcome: outcome!;
        v1 instant: start_time! end_time!""",
    "organization_relationships": "relation: type!; id: rel_owner_org_id! rel_linked_org_id! org_id",
    "files": """file: file!+; id: deal_id+ person_id+ org_id+ product_id+ activity_id+ project_id+;
        uuid: lead_id+; text: name-; string: description-""",
    "remote_files": """document type: file_type!; text: title!; document owner: item_type!; id: item_id!;
        document place: remote_location!""",
    "linked_files": """document owner: item_type!; id: item_id!; text: remote_id!;
        document place: remote_location!""",
    "mail_threads": "id: deal_id; uuid: lead_id; form flag: shared_flag read_flag archived_flag",
    "deal_products": """id: product_id!; number: item_price! quantity! discount; percent: tax;
        string: comments; boolean: is_enabled; tax method: tax_method; discount type: discount_type;
        id?: product_variation_id; billing: billing_frequency; cycles?: billing_frequency_cycles;
        date?: billing_start_date""",
    "deal_discounts": "text: description!; number: amount!; discount type: type!",
    "deal_installments": "text: description!; number: amount!; date: billing_date!",
    "product_variations": "name: name!; [price]: prices",
    "deal_participants": "id: person_id!",
    "note_comments": "note: content!",
    "role_assignments": "id: user_id!",
    **{f"{one}_followers": "id: user_id!" for one in ("deal", "person", "organization", "product")},
}
"""What a record of each collection may be created with and changed to."""

FORMS = {
    ("POST", "/files"): "multipart/form-data",
    ("POST", "/files/remote"): "application/x-www-form-urlencoded",
    ("POST", "/files/remoteLink"): "application/x-www-form-urlencoded",
    ("PUT", "/files/{id}"): "application/x-www-form-urlencoded",
    ("PUT", "/mailbox/mailThreads/{id}"): "application/x-www-form-urlencoded",
}
"""Bodies that are no JSON, by method and path, and what they are."""
