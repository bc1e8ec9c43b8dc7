"""The addresses at which Pipedrive's web application shows records to a person, as far as they are known."""

from __future__ import annotations

_RECORDS = {
    "deals": "deal/{}",
    "persons": "person/{}",
    "organizations": "organization/{}",
    "leads": "leads/inbox/{}",
}
"""One record, by object type; below the company's address."""

_LISTS = {
    "deals": "pipeline",
    "persons": "persons/list",
    "organizations": "organizations/list",
    "leads": "leads/inbox",
    "activities": "activities/list",
}
"""All records of an object type, likewise."""


def page_of(domain: str | None, object_type: str, record_id: int | str) -> str | None:
    """The address of a record; None where it is not known.

    Args:
        domain: the company's, the first part of ``<domain>.pipedrive.com``.
        object_type: the record's.
        record_id: its id.
    """
    page = _RECORDS.get(object_type)
    return f"https://{domain}.pipedrive.com/{page.format(record_id)}" if domain and page else None


def list_of(domain: str | None, object_type: str) -> str | None:
    """The address of the records of an object type; takes what `page_of` does."""
    page = _LISTS.get(object_type)
    return f"https://{domain}.pipedrive.com/{page}" if domain and page else None
