"""Finding the operation that a request means, and carrying it out, with or without HTTP around it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from itertools import product
from urllib.parse import parse_qsl, urlsplit

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.call import Answer, Call
from pipedrive_orchestration.demo.endpoints import (
    children,
    conversions,
    fields,
    files,
    lists,
    merges,
    recents,
    records,
    search,
    webhooks,
)
from pipedrive_orchestration.demo.errors import method_not_allowed, not_found, not_open, retired
from pipedrive_orchestration.demo.generator.fields import FIELD_LISTS
from pipedrive_orchestration.demo.journal import Journal
from pipedrive_orchestration.demo.operations import OPERATIONS, RETIRED, Operation
from pipedrive_orchestration.demo.parameters import parse

Endpoint = Callable[[Call], Answer]

_OF_RECORDS: dict[str, Endpoint] = {
    "GET ": lists.listed,
    "GET /archived": lists.archived,
    "GET /search": search.found,
    "GET /{id}": lists.one,
    "POST ": records.created,
    "POST /{id}/archive": records.archived,
    "PATCH /{id}": records.updated,
    "PUT /{id}": records.updated,
    "PUT /{id}/merge": merges.merged,
    "DELETE /{id}": records.deleted,
    "DELETE ": records.several_deleted,
}
_OF_FIELDS: dict[str, Endpoint] = {
    "GET ": fields.listed,
    "GET /{field_code}": fields.one,
    "POST ": fields.created,
    "PATCH /{field_code}": fields.updated,
    "DELETE /{field_code}": fields.deleted,
    "POST /{field_code}/options": fields.options_added,
    "PATCH /{field_code}/options": fields.options_renamed,
    "DELETE /{field_code}/options": fields.options_deleted,
}
_OF_CHILDREN: dict[str, Endpoint] = {
    "GET": children.listed,
    "POST": children.created,
    "PATCH": children.updated,
    "PUT": children.updated,
    "DELETE": children.deleted,
}
_OF_ONE_PATH: dict[str, Endpoint] = {
    "GET /users/me": lists.me,
    "GET /goals/find": lists.goals,
    "GET /userConnections": lists.connections,
    "GET /itemSearch": search.items_found,
    "GET /recents": recents.listed,
    "GET /leadFields": fields.lead_fields,
    "GET /noteFields": fields.note_fields,
    "GET /files/{id}/download": files.content,
    "POST /files": files.uploaded,
    "POST /files/remote": files.remote_made,
    "POST /files/remoteLink": files.remote_linked,
    "GET /mailbox/mailThreads": files.threads,
    "GET /mailbox/mailThreads/{id}": files.thread,
    "PUT /mailbox/mailThreads/{id}": files.thread_changed,
    "DELETE /mailbox/mailThreads/{id}": files.thread_deleted,
    "POST /leads/{id}/convert/deal": conversions.lead_to_deal,
    "POST /deals/{id}/convert/lead": conversions.deal_to_lead,
    "GET /deals/{id}/convert/status/{conversion_id}": conversions.status,
    "GET /leads/{id}/convert/status/{conversion_id}": conversions.status,
    "GET /organizationRelationships/{id}": children.relationship_shown,
    "POST /organizationRelationships": children.relationship_created,
    "PUT /organizationRelationships/{id}": children.relationship_updated,
    "DELETE /organizationRelationships/{id}": children.relationship_deleted,
    "GET /notes/{id}/comments/{commentId}": children.one,
    "POST /deals/{id}/products/bulk": children.several_created,
    "DELETE /deals/{id}/products": children.several_deleted,
    "POST /webhooks": webhooks.created,
    "DELETE /webhooks/{id}": webhooks.deleted,
}


def _endpoint(operation: Operation) -> Endpoint:
    """What answers an operation: method and path tell."""
    if (special := _OF_ONE_PATH.get(f"{operation.method} {operation.path}")) is not None:
        return special
    if operation.path in children.LISTS or children.kind_of(operation.path) is not None:
        return _OF_CHILDREN[operation.method]
    endpoints = _OF_FIELDS if operation.resource in FIELD_LISTS.values() else _OF_RECORDS
    return endpoints[f"{operation.method} {operation.subpath}"]


_ENDPOINTS = {operation: _endpoint(operation) for operation in OPERATIONS}

_PREFIXES = {"/api/v2/": "v2", "/v1/": "v1", "/api/v1/": "v1"}
"""Where each version is served (docs/pipedrive-api.md#addresses-and-versions)."""

_METHODS: dict[tuple[str, ...], dict[str, Operation | None]] = defaultdict(dict)
"""By version and path template, word by word, what each method means; nothing any more if it is retired."""


def _template(version: str, path: str) -> tuple[str, ...]:
    return version, *re.sub(r"{\w+}", "{}", path).split("/")[1:]


for _method, _path in RETIRED:
    _METHODS[_template("v1", _path)][_method] = None
for _operation in OPERATIONS:
    _METHODS[_template(_operation.version, _operation.path)][_operation.method] = _operation


def find(method: str, path: str) -> tuple[Operation, dict[str, str]]:
    """The operation that a method and a path mean, and the values of the path's parameters.

    Raises:
        ApiError: 404 if there is no such path, 405 if it has no such method, 410 if it is retired.
    """
    prefix = next((prefix for prefix in _PREFIXES if path.startswith(prefix)), None)
    if prefix is None:
        raise not_found()
    resource, *words = path.removeprefix(prefix).split("/")
    allowed: list[str] = []
    for rest in product(*((word, "{}") if word else ("",) for word in words)):  # literal words come first
        methods = _METHODS.get((_PREFIXES[prefix], resource, *rest), {})
        if method not in methods:
            allowed.extend(methods)
        elif (operation := methods[method]) is None:
            raise retired()
        else:
            values = zip(operation.path.split("/")[2:], words, strict=True)
            return operation, {part[1:-1]: word for part, word in values if part[0] == "{"}
    raise method_not_allowed(", ".join(allowed)) if allowed else not_found()


def perform(
    account: Account, method: str, target: str, content: bytes, journal: Journal | None = None
) -> Answer:
    """Carries out a request on the account and keeps it if it is a write that succeeded.

    All of it happens at one instant, which is that of the journal as well.

    Args:
        account: the account.
        method: HTTP method.
        target: path and query.
        content: the body.
        journal: where writes are kept, if anywhere.

    Raises:
        ApiError: the account refuses it.
    """
    split = urlsplit(target)
    operation, values = find(method, split.path)
    with account.lock, account.clock.held():
        if operation.resource in account.closed:
            raise not_open()
        account.purge()
        query = parse(operation, parse_qsl(split.query, keep_blank_values=True))
        answer = _ENDPOINTS[operation](Call(account, operation, values, query, content))
        account.webhooks.settle(is_merge=operation.subpath == "/{id}/merge")
        # Whom events are sent to is up to who listens now.
        if journal is not None and method != "GET" and operation.resource != "webhooks":
            journal.append(account.clock.now(), method, target, content)
    return answer
