"""The operations that the account answers: what Pipedrive's OpenAPI files say of each.

Lines that begin with a path name the OAuth scopes of which one suffices, those of reads and after a semicolon
those of writes; ``deals:read|full`` stands for ``deals:read`` and ``deals:full``. Below stand the operations
of that path, or of all the paths above: methods with what follows the path, the price in tokens (of writes
only where it is not the usual one), the paging and, behind ``?``, the query parameters except those of
paging. ``!`` marks a required parameter, ``=`` precedes the words that one is limited to, ``@`` stands for a
set that several operations take.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property


class Paging(enum.Enum):
    """How a list comes."""

    CURSOR = "cursor"
    """Page after page, by a cursor."""
    OFFSET = "offset"
    """Page after page, by the number of the first record."""
    WHOLE = "whole"
    """All in one answer."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter.

    Attributes:
        name: what it is called.
        choices: the only words it takes; any value of its type if there are none.
        required: whether requests without it are refused.
    """

    name: str
    choices: tuple[str, ...] = ()
    required: bool = False


PAGING_PARAMETERS = {
    Paging.CURSOR: (Parameter("limit"), Parameter("cursor")),
    Paging.OFFSET: (Parameter("limit"), Parameter("start")),
}


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation of the API.

    Attributes:
        method: HTTP method.
        version: ``v1`` or ``v2``: whose OpenAPI file describes it.
        path: path template as the file has it, such as ``/deals/{id}``.
        tokens: price of a request.
        scopes: OAuth scopes of which one suffices.
        paging: how the list comes, if it is one.
        parameters: the query parameters it takes.
    """

    method: str
    version: str
    path: str
    tokens: int
    scopes: tuple[str, ...]
    paging: Paging | None
    parameters: tuple[Parameter, ...]

    @cached_property
    def resource(self) -> str:
        """What it is about, the first word of the path, such as ``lead_labels`` of ``/leadLabels/{id}``."""
        word = self.path.removeprefix("/mailbox").split("/")[1]
        return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", word)

    @property
    def subpath(self) -> str:
        """What follows the first word of the path, such as ``/{id}``."""
        return "/".join(["", *self.path.split("/")[2:]])


_V2 = """
/activities                                 activities:read|full ; activities:full
  GET                      10 cursor ? @FILTERED deal_id lead_id person_id org_id done include_fields
  GET/{id}                  1        ? include_fields
  POST PATCH/{id} DELETE/{id}
/deals                                      deals:read|full ; deals:full
  GET                      10 cursor ? @FILTERED @STATUS person_id org_id pipeline_id stage_id @SHOWN
  GET/archived             20 cursor ? @FILTERED @STATUS person_id org_id pipeline_id stage_id
      include_fields custom_fields
  GET/installments         10 cursor ? deal_ids! sort_by=id|billing_date|deal_id sort_direction
  GET/{id}                  1        ? @SHOWN
  GET/{id}/discounts       10 whole
  POST/{id}/convert/lead   40
  GET/{id}/convert/status/{conversion_id}   1
  POST PATCH/{id} DELETE/{id}
/deals/products                             products:read|full deals:read|full
  GET                      10 cursor ? deal_ids! sort_by=id|deal_id|add_time|update_time|order_nr
      sort_direction
/deals/{id}/products                        products:full deals:full
  POST/bulk                25
  DELETE                   15        ? ids
  POST PATCH/{product_attachment_id} DELETE/{product_attachment_id}
/deals/{id}/discounts                       deals:read|full
  POST PATCH/{discount_id} DELETE/{discount_id}
/deals/{id}/installments                    deals:read|full
  POST PATCH/{installment_id} DELETE/{installment_id}
/deals/{id}/followers                       deals:read|full ; deals:full
/organizations/{id}/followers               contacts:read|full ; contacts:full
/persons/{id}/followers                     contacts:read|full ; contacts:full
/products/{id}/followers                    products:read|full ; products:full
  GET GET/changelog        10 cursor
  POST DELETE/{follower_id}
/leads/{id}/convert                         leads:read|full ; leads:full
  POST/deal                40
  GET/status/{conversion_id}  1
/itemSearch                                 search:read
  GET                      20 cursor
      ? term! item_types=deal|person|organization|product|lead|file|mail_attachment|project
      fields=address|code|custom_fields|email|name|notes|phone|title|description
      search_for_related_items exact_match include_fields=deal.cc_email|person.picture|product.price
/organizations                              contacts:read|full ; contacts:full
  GET                      10 cursor ? @FILTERED @SHOWN
  GET/{id}                  1        ? @SHOWN
  POST PATCH/{id} DELETE/{id}
/organizations/search                       contacts:read|full search:read
  GET                      20 cursor ? term! fields=address|custom_fields|notes|name exact_match
/persons                                    contacts:read|full ; contacts:full
  GET                      10 cursor ? @FILTERED org_id deal_id @SHOWN
  GET/{id}                  1        ? @SHOWN
  POST PATCH/{id} DELETE/{id}
/persons/search                             contacts:read|full search:read
  GET                      20 cursor ? term! fields=custom_fields|email|notes|phone|name exact_match
      organization_id include_fields=person.picture
/pipelines                                  deals:read|full admin ; admin
  GET                       5 cursor ? @SORTED
  GET/{id}                  1
  POST PATCH/{id} DELETE/{id}
/stages                                     deals:read|full admin ; admin
  GET                       5 cursor ? pipeline_id @SORTED
  GET/{id}                  1
  POST PATCH/{id} DELETE/{id}
/products                                   products:read|full ; products:full
  GET                      10 cursor ? filter_id ids owner_id updated_since custom_fields @SORTED
  GET/{id}                  1
  GET/{id}/variations      10 cursor
  GET/{id}/images          10
  POST PATCH/{id} DELETE/{id} POST/{id}/variations PATCH/{id}/variations/{product_variation_id}
  DELETE/{id}/variations/{product_variation_id}
/projects                                   projects:read|full ; projects:full
  GET                      10 cursor ? @PROJECTS deal_id person_id org_id
  GET/archived             10 cursor ? @PROJECTS
  GET/{id}                  1
  GET/{id}/changelog       10 cursor
  GET/{id}/permittedUsers   5 whole
  POST/{id}/archive         3
  POST PATCH/{id} DELETE/{id}
/tasks                                      projects:read|full ; projects:full
  GET                      10 cursor ? is_done is_milestone assignee_id project_id parent_task_id
  GET/{id}                  1
  POST PATCH/{id} DELETE/{id}
/boards                                     projects:read|full ; projects:full
  GET                      10 whole
  GET/{id}                 10
  POST PATCH/{id} DELETE/{id}
/phases                                     projects:read|full ; projects:full
  GET                      10 whole  ? board_id!
  GET/{id}                 10
  POST PATCH/{id} DELETE/{id}
/projectTemplates                           projects:read|full
  GET                      10 cursor
  GET/{id}                  1
/users/{id}/followers                       users:read
  GET                      10 cursor
/activityFields                             admin
/productFields                              products:read|full product-fields:full
  GET                      10 cursor ? include_fields=ui_visibility
  GET/{field_code}          1        ? include_fields=ui_visibility
/dealFields                                 deals:read|full admin deal-fields:full
/organizationFields                         contacts:read|full admin contact-fields:full
/personFields                               contacts:read|full admin contact-fields:full
  GET                      10 cursor ? include_fields=ui_visibility|important_fields|required_fields
  GET/{field_code}          1        ? include_fields=ui_visibility|important_fields|required_fields
/projectFields                              projects:read|full project-fields:full
  GET                      10 cursor
  GET/{field_code}          1
/dealFields                                 admin deal-fields:full
/organizationFields                         admin contact-fields:full
/personFields                               admin contact-fields:full
/productFields                              products:full product-fields:full
/projectFields                              project-fields:full
  POST DELETE/{field_code}
/dealFields/{field_code}                    deals:full admin deal-fields:full
/organizationFields/{field_code}            contacts:full admin contact-fields:full
/personFields/{field_code}                  contacts:full admin contact-fields:full
/productFields/{field_code}                 products:full product-fields:full
/projectFields/{field_code}                 project-fields:full
  PATCH POST/options PATCH/options DELETE/options
"""

_V1 = """
/activityTypes                              activities:read|full admin ; admin
  GET                      20 whole
  POST PUT/{id} DELETE/{id}
/callLogs                                   phone-integration
  GET                      20 offset
  GET/{id}                  2
  POST DELETE/{id}
/currencies                                 base
  GET                      20 whole  ? term
/files      deals:read|full activities:read|full contacts:read|full ; deals:full activities:full contacts:full
  GET                      20 offset ? sort=id|update_time
  GET/{id}                  2
  GET/{id}/download        20
  POST POST/remote POST/remoteLink PUT/{id} DELETE/{id}
/filters    deals:read|full activities:read|full contacts:read|full ; deals:full activities:full contacts:full
  GET                      20 whole  ? type=deals|leads|org|people|products|activity|projects
  GET/{id}                  2        ? include_field_code
  POST PUT/{id}                      ? include_field_code
  DELETE                   10        ? ids!
  DELETE/{id}
/goals                                      goals:read|full ; goals:full
  GET/find                 20 whole
      ? type.name=deals_won|deals_progressed|activities_completed|activities_added|deals_started
      title is_active assignee.id assignee.type=person|company|team
      expected_outcome.target expected_outcome.tracking_metric=quantity|sum expected_outcome.currency_id
      type.params.pipeline_id type.params.stage_id type.params.activity_type_id period.start period.end
  GET/{id}/results         20        ? period.start! period.end!
  POST PUT/{id} DELETE/{id}
/leads                                      leads:read|full ; leads:full
  GET                      20 offset ? filter_id owner_id person_id organization_id updated_since
      @LEADS_SORTED
  GET/archived             40 offset ? filter_id owner_id person_id organization_id @LEADS_SORTED
  GET/{id}                  2
  GET/{id}/permittedUsers  10 whole
  POST PATCH/{id} DELETE/{id}
/leadFields                                 leads:read|full admin
  GET                      20 offset
/leadLabels                                 leads:read|full ; leads:full
  GET                      10 whole
  POST PATCH/{id} DELETE/{id}
/leadSources                                leads:read|full
  GET                       2 whole
/legacyTeams                                users:read ; admin
  GET                      20 whole  ? order_by=id|name|manager_id|active_flag skip_users
  GET/{id}                  2        ? skip_users
  POST PUT/{id}
/mailbox/mailThreads                        mail:read|full ; mail:full
  GET                      20 offset ? folder!=inbox|drafts|sent|archive
  GET/{id}                 20
  GET/{id}/mailMessages    20 whole
  PUT/{id} DELETE/{id}
/notes                                      deals:read|full contacts:read|full ; deals:full contacts:full
  GET                      20 offset
      ? user_id lead_id deal_id person_id org_id project_id task_id updated_since start_date end_date
      pinned_to_lead_flag pinned_to_deal_flag pinned_to_organization_flag pinned_to_person_flag
      pinned_to_project_flag pinned_to_task_flag
      sort=id|user_id|deal_id|person_id|org_id|content|add_time|update_time
  GET/{id}                  2
  GET/{id}/comments        20 offset
  GET/{id}/comments/{commentId}  2
  POST PUT/{id} DELETE/{id} POST/{id}/comments PUT/{id}/comments/{commentId} DELETE/{id}/comments/{commentId}
/noteFields                                 deals:read|full contacts:read|full
  GET                      20 whole
/permissionSets                             admin
  GET                      20 whole  ? app=sales|projects|campaigns|global|account_settings|partnership|nova
  GET/{id}                  2
  GET/{id}/assignments     20 offset
/recents                                    recents:read search:read
  GET                      20 offset
      ? since_timestamp!
      items=activity|activityType|deal|file|filter|note|organization|person|pipeline|product|stage|user
/roles                                      admin
  GET                      20 offset
  GET/{id}                  2
  GET/{id}/assignments     10 offset
  GET/{id}/pipelines       20 whole  ? visible
  POST PUT/{id} DELETE/{id} POST/{id}/assignments DELETE/{id}/assignments
/userConnections                            base
  GET                      20 whole
/users                                      users:read ; admin
  GET                      20 whole
  GET/{id}                  2
  GET/{id}/permissions     10 whole
  POST PUT/{id}
/users/me                                   base
  GET                       2
/deals/{id}                                 deals:read|full ; deals:full
  GET/participants         10 offset
  GET/participantsChangelog 10 cursor
  POST/participants DELETE/participants/{deal_participant_id}
/deals/{id}                                 recents:read
/persons/{id}                               recents:read
/organizations/{id}                         recents:read
  GET/changelog            20 cursor
  GET/flow                 40 offset ? all_changes items=@FLOW
/deals/{id}                                 mail:read|full
/persons/{id}                               mail:read|full
/organizations/{id}                         mail:read|full
  GET/mailMessages         20 offset ? include_body
/deals/{id}                                 deals:read|full
/persons/{id}                               contacts:read|full
/organizations/{id}                         contacts:read|full
/products/{id}                              products:read|full
  GET/permittedUsers       10 whole
/persons/{id}/products                      contacts:read|full
  GET                      20 offset
/products/{id}/deals                        deals:read|full
  GET                      20 offset ? status=open|won|lost|deleted|all_not_deleted
/organizationRelationships                  contacts:read|full ; contacts:full
  GET                      20 whole  ? org_id!
  GET/{id}                  2        ? org_id
  POST PUT/{id} DELETE/{id}
/projects/{id}                              projects:read|full
  GET/groups GET/plan      20 whole
/webhooks                                   admin
  GET                      10 whole
  POST DELETE/{id}
/deals/{id}/merge                           deals:full
/organizations/{id}/merge                   contacts:full
/persons/{id}/merge                         contacts:full
  PUT                      40
"""

_SETS = {
    "@SORTED": "sort_by sort_direction",
    "@FILTERED": "filter_id ids owner_id updated_since updated_until sort_by sort_direction",
    "@STATUS": "status=open|won|lost|deleted",
    "@SHOWN": "include_fields custom_fields include_option_labels include_labels",
    "@PROJECTS": "filter_id status=open|completed|canceled|deleted phase_id",
    "@LEADS_SORTED": "sort=id|title|owner_id|creator_id|was_seen|expected_close_date|next_activity_id|"
    "add_time|update_time",
    "@FLOW": "call|activity|plannedActivity|change|note|deal|file|dealChange|personChange|organizationChange|"
    "follower|dealFollower|personFollower|organizationFollower|participant|comment|mailMessage|"
    "mailMessageWithAttachment|invoice|document|marketing_campaign_stat|marketing_status_change",
}
"""Parameters, or words of one, that several operations take."""

_USUAL_PRICES = {
    "v1": {"POST": 10, "PUT": 10, "PATCH": 10, "DELETE": 6},
    "v2": {"POST": 5, "PATCH": 5, "DELETE": 3},
}
"""Of writes, in tokens."""

_RETIRED = """
GET POST        /activities /deals /organizations /persons /pipelines /products /stages /deals/{id}/products
GET PUT DELETE  /activities/{id} /deals/{id} /organizations/{id} /persons/{id}
GET PUT DELETE  /pipelines/{id} /products/{id} /stages/{id}
DELETE          /activities /deals /organizations /persons /stages /activityTypes
GET             /activities/collection /deals/collection /organizations/collection /persons/collection
GET             /deals/search /organizations/search /persons/search /products/search
GET             /deals/{id}/activities /deals/{id}/persons /persons/{id}/activities /persons/{id}/deals
GET             /organizations/{id}/activities /organizations/{id}/deals /organizations/{id}/persons
GET             /itemSearch /itemSearch/field
PUT DELETE      /deals/{id}/products/{attachment_id}
"""


def _operations(version: str, table: str) -> Iterator[Operation]:
    for name, words in _SETS.items():
        table = table.replace(name, words)
    one_line_each = re.sub(r"\n {3,}", " ", table)
    for headers, lines in re.findall(r"((?:/.+\n)+)((?: .+\n)+)", one_line_each):
        for header in headers.splitlines():
            for line in lines.splitlines():
                yield from _of_line(version, header, line)


def _of_line(version: str, header: str, line: str) -> Iterator[Operation]:
    base, _, scopes = header.partition(" ")
    reads, _, writes = scopes.partition(";")
    call, _, parameters = line.partition("?")
    words = call.split()
    price = next((int(word) for word in words if word.isdigit()), 0)
    paging = next((Paging(word) for word in words if word.islower()), None)
    taken = (*map(_parameter, parameters.split()), *(PAGING_PARAMETERS.get(paging, ()) if paging else ()))
    for word in words:
        method, slash, subpath = word.partition("/")
        if method.isupper():
            needed = _scopes(reads if method == "GET" else writes or reads)
            tokens = price or _USUAL_PRICES[version][method]
            yield Operation(method, version, base + slash + subpath, tokens, tuple(needed), paging, taken)


def _scopes(words: str) -> Iterator[str]:
    for word in words.split():
        name, colon, rights = word.partition(":")
        yield from (f"{name}{colon}{right}" for right in rights.split("|"))


def _parameter(word: str) -> Parameter:
    name, _, choices = word.partition("=")
    return Parameter(name.rstrip("!"), tuple(choices.split("|")) if choices else (), name.endswith("!"))


def _retired() -> Iterator[tuple[str, str]]:
    for line in _RETIRED.strip().splitlines():
        methods, slash, paths = line.partition("/")
        yield from ((method, path) for method in methods.split() for path in (slash + paths).split())


OPERATIONS: tuple[Operation, ...] = (*_operations("v2", _V2), *_operations("v1", _V1))
"""Everything the account answers."""

SCOPES = frozenset(scope for operation in OPERATIONS for scope in operation.scopes)
"""Every OAuth scope that one of them asks for."""

RETIRED: tuple[tuple[str, str], ...] = tuple(_retired())
"""Method and path of the v1 operations that Pipedrive has taken away.

See docs/pipedrive-api.md#addresses-and-versions.
"""
