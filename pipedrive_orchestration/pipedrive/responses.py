"""The envelope around Pipedrive's answers: opened, while the records inside stay bytes.

``msgspec`` walks the body once and hands out every record as a slice of it, so no record becomes
Python objects. Shapes: docs/pipedrive-api.md#pagination and docs/pipedrive-api.md#errors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from pipedrive_orchestration.pipedrive.object_types import Entries, Linked, Listing, Paging, Single


class BrokenBody(ValueError):
    """A body that is not the JSON it should be: truncated, HTML, or of another shape."""


class OddBody(BrokenBody):
    """A whole answer that leaves out what it is asked for, such as its records.

    A server that answers so is at work, so it is asked again for a shorter time than one that fails.
    """


class NoRecords(OddBody):
    """An envelope with ``data: null`` where that is not believed to say that there are none."""


NO_RECORDS = "the body has no records (data: null)"
"""The reason of `NoRecords`."""


class _Pagination(msgspec.Struct):
    more_items_in_collection: bool | None = None
    next_start: int | None = None


class _AdditionalData(_Pagination):
    # v1 puts its paging facts into ``pagination``; its OpenAPI schema has some of them one level higher.
    next_cursor: str | None = None
    pagination: _Pagination | None = None


class _Envelope(msgspec.Struct):
    success: bool | None = None
    data: list[msgspec.Raw] | None = None
    additional_data: _AdditionalData | None = None
    error: str | None = None


class _ObjectEnvelope(msgspec.Struct):
    success: bool | None = None
    # An object without entries is written as a list by PHP, in which v1 is.
    data: dict[str, msgspec.Raw] | list[msgspec.Raw] | None = None
    error: str | None = None


class _WholeEnvelope(msgspec.Struct):
    success: bool | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")
    error: str | None = None


class _Failure(msgspec.Struct):
    error: str | None = None
    error_info: str | None = None
    message: str | None = None
    code: str | int | None = None


class _Identified(msgspec.Struct):
    id: int | str | None = None


class _Updated(msgspec.Struct):
    update_time: str | None = None


_ESCAPES = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""Escapes in JSON: a pair of surrogates, one that is alone (the group), or any other."""

_envelopes = msgspec.json.Decoder(_Envelope)
_object_envelopes = msgspec.json.Decoder(_ObjectEnvelope)
_whole_envelopes = msgspec.json.Decoder(_WholeEnvelope)
_lists = msgspec.json.Decoder(list[msgspec.Raw])
_objects = msgspec.json.Decoder(dict[str, msgspec.Raw])
_failures = msgspec.json.Decoder(_Failure)
_identified = msgspec.json.Decoder(_Identified)
_updated = msgspec.json.Decoder(_Updated)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    Attributes:
        records: the records as Pipedrive wrote them, one slice of the body each. A text in them may end in
            half a character, which strict readers refuse: see :meth:`whole_records`.
        next: what the parameter that asks for the next page must carry, where the body says so.
        more: whether the list goes on, as the body says; None where it does not say.
        has_line_feeds: whether the body is laid out in lines.
        is_null: whether the body says ``data: null`` for no records.
    """

    records: list[msgspec.Raw]
    next: str | int | None = None
    more: bool | None = False
    has_line_feeds: bool = False
    is_null: bool = False

    def lines(self) -> bytes:
        """The records one per line: a line feed in JSON is blank space, so none is lost."""
        if self.has_line_feeds:
            return b"".join(bytes(record).replace(b"\n", b" ") + b"\n" for record in self.records)
        return b"\n".join([*self.records, b""])

    def whole_records(self) -> list[bytes]:
        """The records with whole characters, to be read as text."""
        return [whole_characters(bytes(record)) for record in self.records]

    def goes_on(self, limit: int) -> bool:
        """Whether another page has to be asked for.

        A list ends where Pipedrive says so, or with a page that is not full where it says nothing.

        Args:
            limit: how many records were asked for.
        """
        return len(self.records) >= limit if self.more is None else self.more

    def longest(self) -> int:
        """Bytes of the longest record."""
        return max((memoryview(record).nbytes for record in self.records), default=0)

    def ids(self, key: str = "id") -> list[int | str | None]:
        """The ids of the records, None where one has none."""
        if key == "id":
            return [_id(record) for record in self.records]
        return [_value_of(record, key) for record in self.records]

    def first_update_time(self) -> datetime | None:
        """``update_time`` of the first record, where it has one."""
        return _update_time(self.records[0]) if self.records else None

    def last_update_time(self) -> datetime | None:
        """``update_time`` of the last record, where it has one."""
        return _update_time(self.records[-1]) if self.records else None


def _id(record: msgspec.Raw) -> int | str | None:
    try:
        return _identified.decode(record).id
    except msgspec.DecodeError:
        return None


def _value_of(record: msgspec.Raw, key: str) -> int | str | None:
    try:
        value = msgspec.json.decode(_objects.decode(record)[key])
    except (msgspec.DecodeError, KeyError):
        return None
    return value if isinstance(value, int | str) else None


def _update_time(record: msgspec.Raw) -> datetime | None:
    try:
        value = _updated.decode(record).update_time
        return parse_time(value) if value else None
    except (msgspec.DecodeError, ValueError):
        return None


def parse_time(value: str) -> datetime:
    """An instant as v2 (RFC 3339) or v1 (``YYYY-MM-DD HH:MM:SS``, UTC) writes it."""
    instant = datetime.fromisoformat(value)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def open_page(body: bytes, paging: Paging) -> Page:
    """Open the envelope of a list.

    ``data: null`` is an empty page where nothing follows in v1: the same body says so, or the list has no
    pages. It is nowhere else.

    Raises:
        BrokenBody: not JSON, not an envelope, or ``success: false`` in a 200.
        NoRecords: an envelope without records.
    """
    envelope = _opened(body, _envelopes)
    _refuse_failure(envelope)
    following, more = _continuation(envelope.additional_data, paging)
    if envelope.data is None and (paging is Paging.CURSOR or more is not False):
        raise NoRecords(NO_RECORDS)
    return Page(
        envelope.data or [],
        following,
        more,
        has_line_feeds=b"\n" in body,
        is_null=envelope.data is None,
    )


def open_answer(body: bytes, listing: Listing) -> Page:
    """Open the envelope of a list, wherever its records stand, without what nobody may keep.

    Raises:
        BrokenBody: see :func:`open_page`.
        NoRecords: likewise.
    """
    records = listing.records
    if listing.is_plain or not records:
        page = open_page(body, listing.paging)
    elif isinstance(records, Linked):
        page = open_page(body, listing.paging)
        page = replace(page, records=[one for item in page.records for one in _linked(item, records)])
    elif isinstance(records, Single):
        page = _open_single(body)
    else:
        page = _open_object(body, records)
    if not listing.withheld:
        return page
    return replace(page, records=[_without(record, listing.withheld) for record in page.records])


def _open_single(body: bytes) -> Page:
    envelope = _opened(body, _whole_envelopes)
    _refuse_failure(envelope)
    data = bytes(envelope.data).strip()
    if data == b"null":
        return Page([])
    if not data.startswith(b"{"):
        raise BrokenBody("the data of the body is no record")
    return Page([msgspec.Raw(data)], has_line_feeds=b"\n" in body)


def _linked(item: msgspec.Raw, records: Linked) -> list[msgspec.Raw]:
    """The records of an item: of each the parts, and the ids of the parts."""
    try:
        links = [_objects.decode(link) for link in _objects.decode(item).values()]
        return [
            msgspec.Raw(
                msgspec.json.encode(
                    {f"{part}_id": _identified.decode(link[part]).id for part in records.parts}
                    | {part: link[part] for part in records.parts}
                )
            )
            for link in links
        ]
    except (msgspec.DecodeError, KeyError) as error:
        raise BrokenBody(f"the body has an item that is no link of {records.parts} ({error})") from None


def _open_object(body: bytes, records: str | Entries) -> Page:
    envelope = _opened(body, _object_envelopes)
    _refuse_failure(envelope)
    if not envelope.data:
        return Page([], is_null=envelope.data is None)
    if isinstance(envelope.data, list):
        raise BrokenBody("the body has a list where an object is to be")
    try:
        if isinstance(records, str):
            found = _lists.decode(envelope.data[records])
        else:
            found = [
                msgspec.Raw(msgspec.json.encode({records.name: name, records.value: value}))
                for name, value in envelope.data.items()
                if bytes(value).strip() not in (b"false", b"null")
            ]
    except (msgspec.DecodeError, KeyError) as error:
        raise BrokenBody(f"the body has no list of records under {records} ({error})") from None
    return Page(found, has_line_feeds=b"\n" in body)


def _without(record: msgspec.Raw, withheld: frozenset[str]) -> msgspec.Raw:
    try:
        known = _objects.decode(record)
    except msgspec.DecodeError:
        # What is no object has no such property.
        return record
    return msgspec.Raw(msgspec.json.encode({key: known[key] for key in known if key not in withheld}))


def _refuse_failure(envelope: _Envelope | _ObjectEnvelope | _WholeEnvelope) -> None:
    if envelope.success is not True:
        raise BrokenBody(f"the body says success: {envelope.success} ({envelope.error or 'no reason'})")


_E = TypeVar("_E")


def _opened(body: bytes, envelopes: msgspec.json.Decoder[_E]) -> _E:
    try:
        return envelopes.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Hardly any body holds half a character, so they are looked for only when one cannot be read.
        try:
            return envelopes.decode(whole_characters(body))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if body.lstrip()[:1] == b"<":
                raise BrokenBody(
                    "a web page (HTML) came instead of data, as from a sign-in page, a proxy or a wrong host"
                ) from None
            raise BrokenBody(f"the body is not a list of records ({error})") from None


def whole_characters(json: bytes) -> bytes:
    """JSON whose texts are all valid Unicode: halves of characters become U+FFFD."""
    # A text that was cut inside an emoji ends in half of it: as an escape, or as bytes that are no UTF-8.
    # Both are refused by every strict reader, and one such text would hide the whole page.
    if not json.isascii():
        json = json.decode(errors="replace").encode()
    return _ESCAPES.sub(lambda escape: b"\\ufffd" if escape[1] else escape[0], json)


def _continuation(additional: _AdditionalData | None, paging: Paging) -> tuple[str | int | None, bool | None]:
    """The value that asks for the next page, and whether there is one."""
    if paging is Paging.NONE:
        return None, False
    if additional is None:
        return None, None
    if paging is Paging.CURSOR:
        return additional.next_cursor or None, bool(additional.next_cursor)
    facts = additional.pagination or additional
    if facts.more_items_in_collection is None:
        return facts.next_start, True if facts.next_start else None
    return (facts.next_start if facts.more_items_in_collection else None), facts.more_items_in_collection


class _Data(msgspec.Struct):
    success: bool | None = None
    data: Any = None


def data_of(body: bytes) -> Any:
    """The data of an answer that is no list: a record, or what a deletion says of one.

    Raises:
        BrokenBody: it is no such answer, or says ``success: false``.
    """
    try:
        answer = msgspec.json.decode(whole_characters(body), type=_Data)
    except msgspec.DecodeError as error:
        raise BrokenBody(f"the body is not an answer with data ({error})") from None
    if answer.success is not True:
        raise BrokenBody(f"the body says success: {answer.success}")
    return answer.data


def failure_of(body: bytes) -> tuple[str, str | None]:
    """Pipedrive's sentence and code for a failed request, whatever shape the body has."""
    try:
        failure = _failures.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "the answer is not JSON", None
    sentence = failure.error or failure.message or "no reason given"
    info = failure.error_info or ""
    details = f" ({info})" if info and "developers.pipedrive.com" not in info else ""
    return sentence + details, str(failure.code) if failure.code is not None else None
