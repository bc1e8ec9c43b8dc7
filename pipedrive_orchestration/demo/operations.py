"""The operations that the account answers, one a line: what Pipedrive's OpenAPI files say of each.

A line holds method, path, price in tokens, paging and the OAuth scopes of which one suffices
(``deals:read|full`` stands for ``deals:read`` and ``deals:full``). Lines that begin with ``?`` hold the query
parameters of the operation above, except those of its paging; ``!`` marks a required one, ``=`` precedes the
words that one is limited to.
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
        return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", self.path.split("/")[1])

    @property
    def subpath(self) -> str:
        """What follows the first word of the path, such as ``/{id}``."""
        return "/".join(["", *self.path.split("/")[2:]])


_V2 = """
GET    /activities                             10 cursor activities:read|full
       ? filter_id ids owner_id deal_id lead_id person_id org_id done updated_since updated_until
       ? sort_by sort_direction include_fields
POST   /activities                              5 -      activities:full
GET    /activities/{id}                         1 -      activities:read|full
       ? include_fields
PATCH  /activities/{id}                         5 -      activities:full
DELETE /activities/{id}                         3 -      activities:full

GET    /deals                                  10 cursor deals:read|full
       ? filter_id ids owner_id person_id org_id pipeline_id stage_id status=open|won|lost|deleted
       ? updated_since updated_until sort_by sort_direction
       ? include_fields custom_fields include_option_labels include_labels
GET    /deals/archived                         20 cursor deals:read|full
       ? filter_id ids owner_id person_id org_id pipeline_id stage_id status=open|won|lost|deleted
       ? updated_since updated_until sort_by sort_direction include_fields custom_fields
GET    /deals/installments                     10 cursor deals:read|full
       ? deal_ids! sort_by=id|billing_date|deal_id sort_direction
GET    /deals/{id}/discounts                   10 whole  deals:read|full
GET    /deals/{id}/followers                   10 cursor deals:read|full
GET    /deals/{id}/followers/changelog         10 cursor deals:read|full
GET    /deals/products                         10 cursor products:read|full deals:read|full
       ? deal_ids! sort_by=id|deal_id|add_time|update_time|order_nr sort_direction
POST   /deals                                   5 -      deals:full
GET    /deals/{id}                              1 -      deals:read|full
       ? include_fields custom_fields include_option_labels include_labels
PATCH  /deals/{id}                              5 -      deals:full
DELETE /deals/{id}                              3 -      deals:full
POST   /deals/{id}/followers                    5 -      deals:full
DELETE /deals/{id}/followers/{follower_id}      3 -      deals:full
POST   /deals/{id}/products                     5 -      products:full deals:full
POST   /deals/{id}/products/bulk               25 -      products:full deals:full
DELETE /deals/{id}/products                    15 -      products:full deals:full
       ? ids
PATCH  /deals/{id}/products/{product_attachment_id}  5 -      products:full deals:full
DELETE /deals/{id}/products/{product_attachment_id}  3 -      products:full deals:full
POST   /deals/{id}/discounts                    5 -      deals:read|full
PATCH  /deals/{id}/discounts/{discount_id}      5 -      deals:read|full
DELETE /deals/{id}/discounts/{discount_id}      3 -      deals:read|full
POST   /deals/{id}/installments                 5 -      deals:read|full
PATCH  /deals/{id}/installments/{installment_id}  5 -      deals:read|full
DELETE /deals/{id}/installments/{installment_id}  3 -      deals:read|full
POST   /deals/{id}/convert/lead                40 -      deals:full
GET    /deals/{id}/convert/status/{conversion_id}  1 -      deals:read|full

POST   /leads/{id}/convert/deal                40 -      leads:full
GET    /leads/{id}/convert/status/{conversion_id}  1 -      leads:read|full

GET    /itemSearch                             20 cursor search:read
       ? term! item_types=deal|person|organization|product|lead|file|mail_attachment|project
       ? fields=address|code|custom_fields|email|name|notes|phone|title|description
       ? search_for_related_items exact_match include_fields=deal.cc_email|person.picture|product.price

GET    /organizations                          10 cursor contacts:read|full
       ? filter_id ids owner_id updated_since updated_until sort_by sort_direction
       ? include_fields custom_fields include_option_labels include_labels
GET    /organizations/search                   20 cursor contacts:read|full search:read
       ? term! fields=address|custom_fields|notes|name exact_match
POST   /organizations                           5 -      contacts:full
GET    /organizations/{id}                      1 -      contacts:read|full
       ? include_fields custom_fields include_option_labels include_labels
PATCH  /organizations/{id}                      5 -      contacts:full
GET    /organizations/{id}/followers   10 cursor contacts:read|full
GET    /organizations/{id}/followers/changelog 10 cursor contacts:read|full
DELETE /organizations/{id}                      3 -      contacts:full
POST   /organizations/{id}/followers            5 -      contacts:full
DELETE /organizations/{id}/followers/{follower_id}  3 -      contacts:full

GET    /persons                                10 cursor contacts:read|full
       ? filter_id ids owner_id org_id deal_id updated_since updated_until sort_by sort_direction
       ? include_fields custom_fields include_option_labels include_labels
GET    /persons/search                         20 cursor contacts:read|full search:read
       ? term! fields=custom_fields|email|notes|phone|name exact_match organization_id
       ? include_fields=person.picture
POST   /persons                                 5 -      contacts:full
GET    /persons/{id}                            1 -      contacts:read|full
       ? include_fields custom_fields include_option_labels include_labels
PATCH  /persons/{id}                            5 -      contacts:full
GET    /persons/{id}/followers         10 cursor contacts:read|full
GET    /persons/{id}/followers/changelog 10 cursor contacts:read|full
DELETE /persons/{id}                            3 -      contacts:full
POST   /persons/{id}/followers                  5 -      contacts:full
DELETE /persons/{id}/followers/{follower_id}    3 -      contacts:full

GET    /pipelines                               5 cursor deals:read|full admin
       ? sort_by sort_direction
POST   /pipelines                               5 -      admin
GET    /pipelines/{id}                          1 -      deals:read|full admin
PATCH  /pipelines/{id}                          5 -      admin
DELETE /pipelines/{id}                          3 -      admin

GET    /products                               10 cursor products:read|full
       ? filter_id ids owner_id updated_since sort_by sort_direction custom_fields
POST   /products                                5 -      products:full
GET    /products/{id}                           1 -      products:read|full
PATCH  /products/{id}                           5 -      products:full
GET    /products/{id}/variations               10 cursor products:read|full
GET    /products/{id}/images                   10 -      products:read|full
GET    /products/{id}/followers        10 cursor products:read|full
GET    /products/{id}/followers/changelog 10 cursor products:read|full
DELETE /products/{id}                           3 -      products:full
POST   /products/{id}/followers                 5 -      products:full
DELETE /products/{id}/followers/{follower_id}   3 -      products:full
POST   /products/{id}/variations                5 -      products:full
PATCH  /products/{id}/variations/{product_variation_id}  5 -      products:full
DELETE /products/{id}/variations/{product_variation_id}  3 -      products:full

GET    /projects                               10 cursor projects:read|full
       ? filter_id status=open|completed|canceled|deleted phase_id deal_id person_id org_id
GET    /projects/archived                      10 cursor projects:read|full
       ? filter_id status=open|completed|canceled|deleted phase_id
GET    /projects/{id}                           1 -      projects:read|full
POST   /projects                                5 -      projects:full
PATCH  /projects/{id}                           5 -      projects:full
DELETE /projects/{id}                           3 -      projects:full
POST   /projects/{id}/archive                   3 -      projects:full

GET    /tasks                                  10 cursor projects:read|full
       ? is_done is_milestone assignee_id project_id parent_task_id
GET    /tasks/{id}                              1 -      projects:read|full
POST   /tasks                                   5 -      projects:full
PATCH  /tasks/{id}                              5 -      projects:full
DELETE /tasks/{id}                              3 -      projects:full

GET    /boards                                 10 whole  projects:read|full
GET    /boards/{id}                            10 -      projects:read|full
POST   /boards                                  5 -      projects:full
PATCH  /boards/{id}                             5 -      projects:full
DELETE /boards/{id}                             3 -      projects:full

GET    /phases                                 10 whole  projects:read|full
       ? board_id!
GET    /phases/{id}                            10 -      projects:read|full
POST   /phases                                  5 -      projects:full
PATCH  /phases/{id}                             5 -      projects:full
DELETE /phases/{id}                             3 -      projects:full

GET    /projectTemplates                       10 cursor projects:read|full
GET    /projectTemplates/{id}                   1 -      projects:read|full

GET    /stages                                  5 cursor deals:read|full admin
       ? pipeline_id sort_by sort_direction
POST   /stages                                  5 -      admin
GET    /stages/{id}                             1 -      deals:read|full admin
PATCH  /stages/{id}                             5 -      admin
DELETE /stages/{id}                             3 -      admin

GET    /users/{id}/followers                   10 cursor users:read

GET    /projects/{id}/changelog                10 cursor projects:read|full
GET    /projects/{id}/permittedUsers            5 whole  projects:read|full

GET    /activityFields                         10 cursor admin
       ? include_fields=ui_visibility
GET    /activityFields/{field_code}             1 -      admin
       ? include_fields=ui_visibility

GET    /dealFields                             10 cursor deals:read|full admin deal-fields:full
       ? include_fields=ui_visibility|important_fields|required_fields
POST   /dealFields                              5 -      admin deal-fields:full
GET    /dealFields/{field_code}                 1 -      deals:read|full admin deal-fields:full
       ? include_fields=ui_visibility|important_fields|required_fields
PATCH  /dealFields/{field_code}                 5 -      deals:full admin deal-fields:full
DELETE /dealFields/{field_code}                 3 -      admin deal-fields:full
POST   /dealFields/{field_code}/options         5 -      deals:full admin deal-fields:full
PATCH  /dealFields/{field_code}/options         5 -      deals:full admin deal-fields:full
DELETE /dealFields/{field_code}/options         3 -      deals:full admin deal-fields:full

GET    /organizationFields                     10 cursor contacts:read|full admin contact-fields:full
       ? include_fields=ui_visibility|important_fields|required_fields
POST   /organizationFields                      5 -      admin contact-fields:full
GET    /organizationFields/{field_code}         1 -      contacts:read|full admin contact-fields:full
       ? include_fields=ui_visibility|important_fields|required_fields
PATCH  /organizationFields/{field_code}         5 -      contacts:full admin contact-fields:full
DELETE /organizationFields/{field_code}         3 -      admin contact-fields:full
POST   /organizationFields/{field_code}/options 5 -      contacts:full admin contact-fields:full
PATCH  /organizationFields/{field_code}/options 5 -      contacts:full admin contact-fields:full
DELETE /organizationFields/{field_code}/options 3 -      contacts:full admin contact-fields:full

GET    /personFields                           10 cursor contacts:read|full admin contact-fields:full
       ? include_fields=ui_visibility|important_fields|required_fields
POST   /personFields                            5 -      admin contact-fields:full
GET    /personFields/{field_code}               1 -      contacts:read|full admin contact-fields:full
       ? include_fields=ui_visibility|important_fields|required_fields
PATCH  /personFields/{field_code}               5 -      contacts:full admin contact-fields:full
DELETE /personFields/{field_code}               3 -      admin contact-fields:full
POST   /personFields/{field_code}/options       5 -      contacts:full admin contact-fields:full
PATCH  /personFields/{field_code}/options       5 -      contacts:full admin contact-fields:full
DELETE /personFields/{field_code}/options       3 -      contacts:full admin contact-fields:full

GET    /productFields                          10 cursor products:read|full product-fields:full
       ? include_fields=ui_visibility
POST   /productFields                           5 -      products:full product-fields:full
GET    /productFields/{field_code}              1 -      products:read|full product-fields:full
       ? include_fields=ui_visibility
PATCH  /productFields/{field_code}              5 -      products:full product-fields:full
DELETE /productFields/{field_code}              3 -      products:full product-fields:full
POST   /productFields/{field_code}/options      5 -      products:full product-fields:full
PATCH  /productFields/{field_code}/options      5 -      products:full product-fields:full
DELETE /productFields/{field_code}/options      3 -      products:full product-fields:full

GET    /projectFields                          10 cursor projects:read|full project-fields:full
GET    /projectFields/{field_code}              1 -      projects:read|full project-fields:full
POST   /projectFields                           5 -      project-fields:full
PATCH  /projectFields/{field_code}              5 -      project-fields:full
DELETE /projectFields/{field_code}              3 -      project-fields:full
POST   /projectFields/{field_code}/options      5 -      project-fields:full
PATCH  /projectFields/{field_code}/options      5 -      project-fields:full
DELETE /projectFields/{field_code}/options      3 -      project-fields:full
"""

_V1 = """
GET    /activityTypes                          20 whole  activities:read|full admin
POST   /activityTypes                          10 -      admin
PUT    /activityTypes/{id}                     10 -      admin
DELETE /activityTypes/{id}                      6 -      admin

GET    /callLogs                               20 offset phone-integration
GET    /callLogs/{id}                           2 -      phone-integration
POST   /callLogs                               10 -      phone-integration
DELETE /callLogs/{id}                           6 -      phone-integration

GET    /currencies                             20 whole  base
       ? term

GET    /files                                  20 offset deals:read|full activities:read|full
                                                         contacts:read|full
       ? sort=id|update_time
GET    /files/{id}                              2 -      deals:read|full activities:read|full
                                                         contacts:read|full
DELETE /files/{id}                              6 -      deals:full activities:full contacts:full
POST   /files                                  10 -      deals:full activities:full contacts:full
POST   /files/remote                           10 -      deals:full activities:full contacts:full
POST   /files/remoteLink                       10 -      deals:full activities:full contacts:full
PUT    /files/{id}                             10 -      deals:full activities:full contacts:full
GET    /files/{id}/download                    20 -      deals:read|full activities:read|full
                                                         contacts:read|full

GET    /filters                                20 whole  deals:read|full activities:read|full
                                                         contacts:read|full
       ? type=deals|leads|org|people|products|activity|projects
POST   /filters                                10 -      deals:full activities:full contacts:full
       ? include_field_code
DELETE /filters                                10 -      deals:full activities:full contacts:full
       ? ids!
GET    /filters/{id}                            2 -      deals:read|full activities:read|full
                                                         contacts:read|full
       ? include_field_code
PUT    /filters/{id}                           10 -      deals:full activities:full contacts:full
       ? include_field_code
DELETE /filters/{id}                            6 -      deals:full activities:full contacts:full

GET    /goals/find                             20 whole  goals:read|full
       ? type.name=deals_won|deals_progressed|activities_completed|activities_added|deals_started
       ? title is_active assignee.id assignee.type=person|company|team
       ? expected_outcome.target expected_outcome.tracking_metric=quantity|sum expected_outcome.currency_id
       ? type.params.pipeline_id type.params.stage_id type.params.activity_type_id period.start period.end
POST   /goals                                  10 -      goals:full
PUT    /goals/{id}                             10 -      goals:full
DELETE /goals/{id}                              6 -      goals:full

GET    /leads                                  20 offset leads:read|full
       ? filter_id owner_id person_id organization_id updated_since
       ? sort=id|title|owner_id|creator_id|was_seen|expected_close_date|next_activity_id|add_time|update_time
GET    /leads/archived                         40 offset leads:read|full
       ? filter_id owner_id person_id organization_id
       ? sort=id|title|owner_id|creator_id|was_seen|expected_close_date|next_activity_id|add_time|update_time
POST   /leads                                  10 -      leads:full
GET    /leads/{id}                              2 -      leads:read|full
PATCH  /leads/{id}                             10 -      leads:full
DELETE /leads/{id}                              6 -      leads:full

GET    /leadFields                             20 offset leads:read|full admin

GET    /leadLabels                             10 whole  leads:read|full
POST   /leadLabels                             10 -      leads:full
PATCH  /leadLabels/{id}                        10 -      leads:full
DELETE /leadLabels/{id}                         6 -      leads:full

GET    /leadSources                             2 whole  leads:read|full

GET    /legacyTeams                            20 whole  users:read
       ? order_by=id|name|manager_id|active_flag skip_users
GET    /legacyTeams/{id}                        2 -      users:read
       ? skip_users
POST   /legacyTeams                            10 -      admin
PUT    /legacyTeams/{id}                       10 -      admin

GET    /mailbox/mailThreads                    20 offset mail:read|full
       ? folder!=inbox|drafts|sent|archive
GET    /mailbox/mailThreads/{id}/mailMessages  20 whole  mail:read|full
GET    /mailbox/mailThreads/{id}               20 -      mail:read|full
PUT    /mailbox/mailThreads/{id}               10 -      mail:full
DELETE /mailbox/mailThreads/{id}                6 -      mail:full

GET    /notes                                  20 offset deals:read|full contacts:read|full
       ? user_id lead_id deal_id person_id org_id project_id task_id updated_since start_date end_date
       ? pinned_to_lead_flag pinned_to_deal_flag pinned_to_organization_flag pinned_to_person_flag
       ? pinned_to_project_flag pinned_to_task_flag
       ? sort=id|user_id|deal_id|person_id|org_id|content|add_time|update_time
POST   /notes                                  10 -      deals:full contacts:full
GET    /notes/{id}                              2 -      deals:read|full contacts:read|full
PUT    /notes/{id}                             10 -      deals:full contacts:full
DELETE /notes/{id}                              6 -      deals:full contacts:full

GET    /noteFields                             20 whole  deals:read|full contacts:read|full

GET    /permissionSets                         20 whole  admin
       ? app=sales|projects|campaigns|global|account_settings|partnership|nova
GET    /permissionSets/{id}                     2 -      admin

GET    /recents                                20 offset recents:read search:read
       ? since_timestamp!
       ? items=activity|activityType|deal|file|filter|note|organization|person|pipeline|product|stage|user

GET    /roles                                  20 offset admin
GET    /roles/{id}                              2 -      admin
POST   /roles                                  10 -      admin
PUT    /roles/{id}                             10 -      admin
DELETE /roles/{id}                              6 -      admin
POST   /roles/{id}/assignments                 10 -      admin
DELETE /roles/{id}/assignments                  6 -      admin

GET    /userConnections                        20 whole  base

GET    /users                                  20 whole  users:read
GET    /users/me                                2 -      base
GET    /users/{id}                              2 -      users:read
POST   /users                                  10 -      admin
PUT    /users/{id}                             10 -      admin

GET    /deals/{id}/changelog                   20 cursor recents:read
GET    /deals/{id}/flow                        40 offset recents:read
       ? all_changes items=@FLOW
GET    /persons/{id}/flow                      40 offset recents:read
       ? all_changes items=@FLOW
GET    /organizations/{id}/flow                40 offset recents:read
       ? all_changes items=@FLOW
GET    /persons/{id}/products                  20 offset contacts:read|full
GET    /products/{id}/deals                    20 offset deals:read|full
       ? status=open|won|lost|deleted|all_not_deleted
GET    /goals/{id}/results                     20 -      goals:read|full
       ? period.start! period.end!
GET    /deals/{id}/mailMessages                20 offset mail:read|full
       ? include_body
GET    /deals/{id}/participants                10 offset deals:read|full
POST   /deals/{id}/participants                10 -      deals:full
DELETE /deals/{id}/participants/{deal_participant_id}  6 -      deals:full
GET    /deals/{id}/participantsChangelog       10 cursor deals:read|full
GET    /deals/{id}/permittedUsers              10 whole  deals:read|full
GET    /leads/{id}/permittedUsers              10 whole  leads:read|full
GET    /notes/{id}/comments                    20 offset deals:read|full contacts:read|full
GET    /notes/{id}/comments/{commentId}         2 -      deals:read|full contacts:read|full
POST   /notes/{id}/comments                    10 -      deals:full contacts:full
PUT    /notes/{id}/comments/{commentId}        10 -      deals:full contacts:full
DELETE /notes/{id}/comments/{commentId}         6 -      deals:full contacts:full
GET    /organizationRelationships              20 whole  contacts:read|full
       ? org_id!
GET    /organizationRelationships/{id}          2 -      contacts:read|full
       ? org_id
POST   /organizationRelationships              10 -      contacts:full
PUT    /organizationRelationships/{id}         10 -      contacts:full
DELETE /organizationRelationships/{id}          6 -      contacts:full
GET    /organizations/{id}/changelog           20 cursor recents:read
GET    /organizations/{id}/mailMessages        20 offset mail:read|full
       ? include_body
GET    /organizations/{id}/permittedUsers      10 whole  contacts:read|full
GET    /persons/{id}/changelog                 20 cursor recents:read
GET    /persons/{id}/mailMessages              20 offset mail:read|full
       ? include_body
GET    /persons/{id}/permittedUsers            10 whole  contacts:read|full
GET    /products/{id}/permittedUsers           10 whole  products:read|full
GET    /permissionSets/{id}/assignments        20 offset admin
GET    /projects/{id}/groups                   20 whole  projects:read|full
GET    /projects/{id}/plan                     20 whole  projects:read|full
GET    /roles/{id}/assignments                 10 offset admin
GET    /roles/{id}/pipelines                   20 whole  admin
       ? visible
GET    /users/{id}/permissions                 10 whole  users:read
GET    /webhooks                               10 whole  admin
POST   /webhooks                               10 -      admin
DELETE /webhooks/{id}                           6 -      admin

PUT    /deals/{id}/merge                       40 -      deals:full
PUT    /organizations/{id}/merge               40 -      contacts:full
PUT    /persons/{id}/merge                     40 -      contacts:full
"""

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
    for entry in re.split(r"\n+(?=[A-Z])", table.strip()):
        first, *rest = entry.split("?")
        method, path, tokens, paging, *scopes = first.split()
        how = None if paging == "-" else Paging(paging)
        own = tuple(_parameter(word) for words in rest for word in words.split())
        parameters = (*own, *PAGING_PARAMETERS.get(how, ())) if how else own
        yield Operation(method, version, path, int(tokens), tuple(_scopes(scopes)), how, parameters)


def _scopes(words: list[str]) -> Iterator[str]:
    for word in words:
        name, colon, rights = word.partition(":")
        yield from (f"{name}{colon}{right}" for right in rights.split("|"))


_FLOW = """
call activity plannedActivity change note deal file dealChange personChange organizationChange follower
dealFollower personFollower organizationFollower participant comment mailMessage mailMessageWithAttachment
invoice document marketing_campaign_stat marketing_status_change
"""
"""What a flow can be limited to; the table says ``@FLOW`` for it."""


def _parameter(word: str) -> Parameter:
    name, _, choices = word.replace("@FLOW", "|".join(_FLOW.split())).partition("=")
    return Parameter(name.rstrip("!"), tuple(choices.split("|")) if choices else (), name.endswith("!"))


def _retired() -> Iterator[tuple[str, str]]:
    for line in _RETIRED.strip().splitlines():
        words = line.split()
        paths = [word for word in words if word.startswith("/")]
        yield from ((method, path) for method in words[: -len(paths)] for path in paths)


OPERATIONS: tuple[Operation, ...] = (*_operations("v2", _V2), *_operations("v1", _V1))
"""Everything the account answers."""

SCOPES = frozenset(scope for operation in OPERATIONS for scope in operation.scopes)
"""Every OAuth scope that one of them asks for."""

RETIRED: tuple[tuple[str, str], ...] = tuple(_retired())
"""Method and path of the v1 operations that Pipedrive has taken away.

See docs/pipedrive-api.md#addresses-and-versions.
"""
