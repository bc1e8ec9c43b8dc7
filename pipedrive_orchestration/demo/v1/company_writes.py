"""The writes of activity types and stored filters."""

from __future__ import annotations

import re

from pipedrive_orchestration.demo.account.collection import Record
from pipedrive_orchestration.demo.account.filter_conditions import check_conditions
from pipedrive_orchestration.demo.bodies import read
from pipedrive_orchestration.demo.call import Answer, Call, success
from pipedrive_orchestration.demo.errors import bad_request, not_found
from pipedrive_orchestration.demo.parameters import IdList, Query, parse
from pipedrive_orchestration.demo.v1.bodies import ActivityType, Filter, NewActivityType, NewFilter
from pipedrive_orchestration.demo.v1.company import FilterQuery, coded, filter_of


def create_activity_type(call: Call) -> Answer:
    """``POST /activityTypes``: the key that activities use is made from the name."""
    parse(call, Query)
    changes = read(call, NewActivityType)
    types = list(call.account["activity_types"])
    key = re.sub(r"\W+", "_", changes["name"].casefold()).strip("_")
    if any(one["key_string"] == key for one in types):
        raise bad_request("v1", ["name: There is an activity type of this name already."])
    return success(
        call.account.save(
            "activity_types",
            {
                "id": call.account.new_id("activity_types"),
                "color": "FFFFFF",
                **changes,
                "order_nr": 1 + max((one["order_nr"] for one in types), default=0),
                "key_string": key,
                "active_flag": True,
                "is_custom_flag": True,
                "add_time": call.account.stamp("activity_types"),
            },
        )
    )


def update_activity_type(call: Call) -> Answer:
    """``PUT /activityTypes/{id}``: its key stays the same."""
    parse(call, Query)
    return success(call.account.save("activity_types", {**_activity_type(call), **read(call, ActivityType)}))


def delete_activity_type(call: Call) -> Answer:
    """``DELETE /activityTypes/{id}``: it stays in the list with ``active_flag`` false."""
    parse(call, Query)
    return success(call.account.save("activity_types", {**_activity_type(call), "active_flag": False}))


def _activity_type(call: Call) -> Record:
    activity_type = call.record("activity_types")
    if not activity_type["active_flag"]:
        raise not_found()
    return activity_type


class FilterIdsQuery(Query):
    """``DELETE /filters``."""

    ids: IdList


def create_filter(call: Call) -> Answer:
    """``POST /filters``."""
    query = parse(call, FilterQuery)
    changes = read(call, NewFilter)
    check_conditions(call.account, changes["type"], changes["conditions"])
    stored = {
        "id": call.account.new_id("filters"),
        "name": changes["name"],
        "filter_code": None,
        "is_editable": True,
        "active_flag": True,
        "type": changes["type"],
        "temporary_flag": None,
        "user_id": call.account.me["id"],
        "add_time": call.account.stamp("filters"),
        "update_time": None,
        "visible_to": "1",
        "last_used_time": None,
        "custom_view_id": None,
        "conditions": _completed(changes["conditions"]),
    }
    return _stored(call, stored, query)


def update_filter(call: Call) -> Answer:
    """``PUT /filters/{id}``: its type stays the same."""
    query = parse(call, FilterQuery)
    before = filter_of(call)
    changes = read(call, Filter)
    check_conditions(call.account, before["type"], changes["conditions"])
    return _stored(call, before | changes | {"conditions": _completed(changes["conditions"])}, query)


def _stored(call: Call, stored: Record, query: FilterQuery) -> Answer:
    saved = call.account.save("filters", stored)
    return success(coded(call, saved) if query.include_field_code else saved)


def _completed(conditions: Record) -> Record:
    """The conditions with the keys that answers always have (docs/pipedrive-api.md#filters)."""
    groups = [
        {
            "glue": group["glue"],
            "conditions": [
                {"value": None, "extra_value": None, **condition, "json_value_flag": False}
                for condition in group["conditions"]
            ],
        }
        for group in conditions["conditions"]
    ]
    return {"glue": "and", "conditions": groups}


def delete_filter(call: Call) -> Answer:
    """``DELETE /filters/{id}``."""
    parse(call, Query)
    stored = filter_of(call)
    call.account.save("filters", {**stored, "active_flag": False})
    return success({"id": stored["id"]})


def delete_filters(call: Call) -> Answer:
    """``DELETE /filters?ids=``: those that are there."""
    ids = parse(call, FilterIdsQuery).ids
    found = [stored for one in ids if (stored := call.account["filters"].get(one)) and stored["active_flag"]]
    for stored in found:
        call.account.save("filters", {**stored, "active_flag": False})
    return success({"id": [stored["id"] for stored in found]})
