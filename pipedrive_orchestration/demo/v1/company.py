"""What belongs to the company: users, activity types, currencies and stored filters."""

from __future__ import annotations

from typing import Any, Literal

from pipedrive_orchestration.demo.account.collection import Record
from pipedrive_orchestration.demo.account.stored_filters import with_field_codes
from pipedrive_orchestration.demo.call import Answer, Call, success
from pipedrive_orchestration.demo.errors import not_found, user_not_found
from pipedrive_orchestration.demo.parameters import Boolean, Query, parse


class CurrenciesQuery(Query):
    """``GET /currencies``."""

    term: str | None = None


class FiltersQuery(Query):
    """``GET /filters``."""

    type: Literal["deals", "leads", "org", "people", "products", "activity", "projects"] | None = None


class FilterQuery(Query):
    """``GET /filters/{id}``."""

    include_field_code: Boolean = False


def list_users(call: Call) -> Answer:
    """``GET /users``: deactivated ones too."""
    parse(call, Query)
    return success(list(call.account["users"]), additional_data=_company(call))


def me(call: Call) -> Answer:
    """``GET /users/me``: whose token it is, and the company."""
    parse(call, Query)
    return success(call.account.me)


def one_user(call: Call) -> Answer:
    """``GET /users/{id}``."""
    parse(call, Query)
    user = call.account["users"].get(call.id)
    if user is None:
        raise user_not_found()
    return success(user, additional_data=_company(call))


def _company(call: Call) -> dict[str, Any]:
    return {"company_id": call.account.me["company_id"]}


def list_activity_types(call: Call) -> Answer:
    """``GET /activityTypes``: those no longer in use have ``active_flag`` false."""
    parse(call, Query)
    return success(list(call.account["activity_types"]))


def list_currencies(call: Call) -> Answer:
    """``GET /currencies``, all or those whose code or name contains the term."""
    term = (parse(call, CurrenciesQuery).term or "").casefold()
    return success(
        [
            currency
            for currency in call.account["currencies"]
            if term in f"{currency['code']} {currency['name']}".casefold()
        ]
    )


def list_filters(call: Call) -> Answer:
    """``GET /filters``: those not deleted, without their conditions."""
    wanted = parse(call, FiltersQuery).type
    return success(
        [
            without_conditions(stored)
            for stored in call.account["filters"]
            if stored["active_flag"] and wanted in (None, stored["type"])
        ]
    )


def one_filter(call: Call) -> Answer:
    """``GET /filters/{id}`` with its conditions."""
    query = parse(call, FilterQuery)
    return success(coded(call, filter_of(call)) if query.include_field_code else filter_of(call))


def filter_of(call: Call) -> Record:
    """The stored filter that the path names.

    Raises:
        ApiError: 404 if there is none or it was deleted.
    """
    stored = call.record("filters")
    if not stored["active_flag"]:
        raise not_found()
    return stored


def coded(call: Call, stored: Record) -> Record:
    """The filter with the field code of each condition."""
    return {**stored, "conditions": with_field_codes(call.account, stored["conditions"])}


def without_conditions(stored: Record) -> Record:
    """The filter as lists and recents show it."""
    return {key: value for key, value in stored.items() if key != "conditions"}
