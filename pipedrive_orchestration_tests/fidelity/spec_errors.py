"""Where Pipedrive's OpenAPI files are known to be wrong: the only differences the demo account may show.

Each entry names exactly the paths at which answers differ, so that an entry nobody needs any more is
found out as surely as a difference nobody knew.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipedrive_orchestration_tests.fidelity.openapi import Violation


@dataclass(frozen=True)
class SpecError:
    """Something a file gets wrong.

    Attributes:
        operations: version and first part of the path of the operations concerned.
        kind: as in `Violation`.
        paths: where, seen from ``data`` (or from the whole answer if it begins with ``/``); an element of
            a list has the path of a single record.
        reason: why the file is wrong and the answer right.
    """

    operations: tuple[str, ...]
    kind: str
    paths: str
    reason: str

    def violations(self) -> set[tuple[str, Violation]]:
        """Every difference this entry stands for, with the operations it belongs to."""
        return {
            (operation, Violation(path.removeprefix("/") if path[0] == "/" else f"data.{path}", self.kind))
            for operation in self.operations
            for path in self.paths.split()
        }


_NULLABLE = "pipedrive-api.md#records: nullability marks are arbitrary, every property but the id can be null"
_PAGED = (
    "pipedrive-api.md#pagination: recorded answers and the "
    "file's own examples have additional_data.pagination"
)
_NEWER = "pipedrive-api.md#records: recorded answers have it, the file does not know it"
_V1_TIMES = "pipedrive-api.md#times: v1 times are YYYY-MM-DD HH:MM:SS, as the file's own examples show"
_ADDRESS = "admin_area_level_1 admin_area_level_2 postal_code street_number sublocality subpremise"


def _parts(prefix: str, names: str) -> str:
    return " ".join(f"{prefix}{name}" for name in names.split())


SPEC_ERRORS = (
    SpecError(
        (
            *("v2 deals", "v2 persons", "v2 organizations", "v2 activities", "v2 products"),
            *("v2 pipelines", "v2 stages", "v2 users", "v1 deals", "v1 persons", "v1 organizations"),
            *("v2 projects", "v2 tasks", "v2 projectTemplates"),
        ),
        "null",
        "/additional_data.next_cursor",
        "pipedrive-api.md#pagination: recorded last pages have "
        "next_cursor null (only field lists mark it nullable)",
    ),
    SpecError(
        ("v2 deals",),
        "null",
        "expected_close_date lost_time org_id person_id stage_change_time update_time won_time",
        _NULLABLE,
    ),
    SpecError(
        ("v2 deals",),
        "unknown property",
        "archive_time creator_user_id local_close_date local_lost_date local_won_date",
        "pipedrive-api.md#records: the file's examples and recorded "
        "answers have them, the schema forgot them",
    ),
    SpecError(
        ("v2 deals", "v2 persons", "v2 organizations"),
        "unknown property",
        "labels",
        "the file's own include_labels parameter asks for it, the schema does not describe it",
    ),
    SpecError(
        ("v2 persons",),
        "null",
        "birthday job_title last_name notes org_id picture_id postal_address update_time "
        "postal_address.admin_area_level_2 postal_address.sublocality postal_address.subpremise",
        _NULLABLE,
    ),
    SpecError(
        ("v2 organizations",), "null", f"address update_time {_parts('address.', _ADDRESS)}", _NULLABLE
    ),
    SpecError(
        ("v2 persons",),
        "null",
        "items[].item.organization",
        "a person that belongs to no organization is found too",
    ),
    SpecError(
        ("v2 organizations",),
        "null",
        "items[].item.address",
        "an organization without an address is found too; the file's own example has one that is null",
    ),
    SpecError(
        ("v2 activities",),
        "null",
        "attendees attendees[].user_id conference_meeting_client conference_meeting_id "
        "conference_meeting_url deal_id due_date due_time duration lead_id location marked_as_done_time note "
        "org_id person_id priority project_id public_description subject update_time "
        + _parts("location.", _ADDRESS),
        _NULLABLE,
    ),
    SpecError(
        ("v2 persons",),
        "unknown property",
        "postal_address.formatted_address",
        "pipedrive-api.md#records: addresses can have "
        "formatted_address, which the field lists name as a subfield",
    ),
    SpecError(("v2 organizations",), "unknown property", "address.formatted_address", "as of persons"),
    SpecError(("v2 activities",), "unknown property", "location.formatted_address", "as of persons"),
    SpecError(
        ("v2 activities",),
        "unknown property",
        "outcome",
        "pipedrive-api.md#records: added to the API after this copy of the file was made",
    ),
    SpecError(("v2 products",), "null", "code description", _NULLABLE),
    SpecError(
        ("v2 pipelines", "v2 stages"),
        "null",
        "update_time",
        "pipedrive-api.md#times: stages never edited and the default pipeline have no update_time",
    ),
    SpecError(("v2 projects",), "null", "description end_date status_change_time", _NULLABLE),
    SpecError(("v1 callLogs",), "null", "deal_id from_phone_number lead_id note org_id person_id", _NULLABLE),
    SpecError(
        ("v1 goals",),
        "unknown property",
        "goals[].type.params.stage_id",
        "the file's own parameter type.params.stage_id finds goals by it",
    ),
    SpecError(
        ("v1 goals",),
        "unknown property",
        "goal.type.params.stage_id",
        "as of the goal itself",
    ),
    SpecError(
        ("v1 persons",),
        "null",
        _parts(
            "<id>.deal.",
            "expected_close_date first_won_time label last_incoming_mail_time last_outgoing_mail_time "
            "lost_time next_activity_date next_activity_time org_id stage_change_time won_time",
        )
        + " "
        + _parts("<id>.product.", "category code description"),
        "the file's own example of a person's products has deals with most of them null",
    ),
    SpecError(("v1 products",), "unknown property", "/additional_data.pagination", _PAGED),
    SpecError(
        ("v1 products",),
        "null",
        "expected_close_date first_won_time label last_incoming_mail_time last_outgoing_mail_time lost_time "
        "next_activity_date next_activity_duration next_activity_note next_activity_subject "
        "next_activity_time next_activity_type org_id org_id.address org_name person_id person_name "
        "stage_change_time won_time",
        _NULLABLE,
    ),
    SpecError(
        ("v1 permissionSets",),
        "unknown property",
        "/data /success",
        "the schema of one set lacks the envelope that the file's own example has",
    ),
    SpecError(
        ("v1 roles",),
        "unknown property",
        "level",
        "the list has it, and the schema of one role does not",
    ),
    SpecError(("v1 users",), "unknown property", "is_admin", _NEWER),
    SpecError(
        ("v1 users",),
        "unknown property",
        "/additional_data",
        "pipedrive-api.md#pagination: it carries the company_id",
    ),
    SpecError(
        ("v1 leads", "v1 leadFields", "v1 noteFields"),
        "unknown property",
        "/additional_data.pagination",
        _PAGED,
    ),
    SpecError(
        ("v1 leads",),
        "unknown property",
        "<key>",
        "OpenAPI v1 /leads says in words that leads carry the custom fields of deals",
    ),
    SpecError(("v1 leads",), "unknown property", "archive_time", _NEWER),
    SpecError(("v1 leadFields",), "format", "add_time update_time", _V1_TIMES),
    SpecError(
        ("v1 leadFields",), "null", "add_time", "pipedrive-api.md#fields: subfields have neither id nor times"
    ),
    SpecError(("v1 activityTypes",), "format", "add_time update_time", _V1_TIMES),
    SpecError(("v1 activityTypes",), "null", "color update_time", _NULLABLE),
    SpecError(
        ("v1 deals",),
        "unknown property",
        "/additional_data.next_cursor /additional_data.pagination",
        "the file's own examples of participants and their changelog have it",
    ),
    SpecError(("v1 persons", "v1 organizations"), "unknown property", "/additional_data.pagination", _PAGED),
    SpecError(("v1 permissionSets", "v1 mailbox"), "unknown property", "/additional_data", _PAGED),
    SpecError(("v1 deals",), "unknown property", "/data", "the example of permitted users has it"),
    SpecError(
        ("v1 deals",),
        "unknown property",
        _parts("added_by_user_id.", "id name value"),
        "the file's own example of participants has them",
    ),
    SpecError(
        ("v2 deals",),
        "unknown property",
        "/additional_data",
        "installments come page after page, and the schema leaves out what the next page is asked for by",
    ),
    SpecError(("v1 notes",), "null", "updater_id", _NULLABLE),
    SpecError(("v1 mailbox",), "null", "last_message_received_timestamp snippet_sent", _NULLABLE),
    SpecError(
        ("v1 files",),
        "null",
        "activity_id cid deal_id deal_name lead_id lead_name mail_message_id mail_template_id org_id "
        "org_name person_id person_name product_id product_name project_id project_name remote_id s3_bucket",
        _NULLABLE,
    ),
    SpecError(
        ("v1 recents",),
        "null",
        _parts(
            "data.",
            "activity_id cid deal_name lead_name mail_message_id mail_template_id product_id product_name "
            "remote_id s3_bucket",
        ),
        _NULLABLE,
    ),
    SpecError(
        ("v1 recents",),
        "unknown property",
        "data.project_id data.project_name data.file_type data.log_id",
        _NEWER,
    ),
    SpecError(
        ("v1 files",), "unknown property", "file_type log_id", "the file's own examples of files have them"
    ),
    SpecError(
        ("v1 notes",),
        "null",
        "deal deal_id last_update_user_id lead_id org_id organization person person_id project project_id "
        "task task_id user.icon_url",
        _NULLABLE,
    ),
    SpecError(("v1 notes",), "unknown property", "lead pinned_to_lead_flag", _NEWER),
    SpecError(("v1 notes",), "status 201", "/", "pipedrive-api.md#writes: v1 creates were recorded with 201"),
    SpecError(
        ("v1 deals", "v1 persons"),
        "unknown property",
        "<key>",
        "pipedrive-api.md#custom-field-values: v1 records carry custom fields beside the built-in ones",
    ),
    SpecError(
        ("v1 deals",),
        "unknown property",
        "archive_time local_close_date local_lost_date local_won_date",
        _NEWER,
    ),
    SpecError(
        ("v1 deals",),
        "null",
        "cc_email label last_incoming_mail_time last_outgoing_mail_time next_activity_date "
        "next_activity_time stage_change_time won_time",
        _NULLABLE,
    ),
    SpecError(
        ("v1 persons",), "unknown property", "birthday delete_time im job_title notes postal_address", _NEWER
    ),
    SpecError(("v1 recents",), "format", "data.add_time data.update_time", _V1_TIMES),
    SpecError(
        ("v1 recents",),
        "unknown property",
        _parts(
            "data.",
            "<key> annual_revenue archive_time birthday delete_time employee_count im industry is_admin "
            "job_title lead linkedin local_close_date local_lost_date local_won_date notes "
            "pinned_to_lead_flag postal_address priority website "
            + _parts("postal_address_", f"{_ADDRESS} country formatted_address locality route"),
        ),
        "pipedrive-api.md#recents, pipedrive-api.md#records: "
        "recorded v1 records have more than the file knows",
    ),
    SpecError(
        ("v1 recents",),
        "null",
        _parts(
            "data.",
            "address category cc_email code deal deal_id deal_title description expected_close_date "
            "first_won_time label last_incoming_mail_time last_outgoing_mail_time lead_id location lost_time "
            "marked_as_done_time next_activity_date next_activity_time org_id org_name organization person "
            "person_id person_name picture_id project project_id stage_change_time task task_id "
            f"user.icon_url won_time {_parts('address_', _ADDRESS)} {_parts('location_', _ADDRESS)}",
        ),
        _NULLABLE,
    ),
    SpecError(
        ("v2 deals",),
        "type",
        "id",
        "the ids of discounts are UUIDs, as the file itself says of all answers but that of a deletion",
    ),
)
"""Everything known to be wrong with the operations that the demo account answers."""
