"""The built-in properties of every object type's records (docs/pipedrive-api.md#records).

A table names a field type and the keys of that type, and so on, in the order in which Pipedrive sends them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pipedrive_orchestration.pipedrive.references import REFERENCED


@dataclass(frozen=True, slots=True)
class Property:
    """A built-in property of a record.

    ``field_type`` is Pipedrive's word where it has one; ``datetime``, ``uuid``, ``contacts`` (emails,
    phones, im), ``ids``, ``uuids``, ``texts``, ``persons``, ``orgs``, ``users`` (lists), ``role``, ``task``
    and ``amount`` (a lead's ``{amount, currency}``) name shapes that its field types do not. ``optional``
    properties come only when asked for by ``include_fields``, ``alone`` ones only with the answer for one
    record.
    """

    key: str
    field_type: str
    optional: bool = False
    alone: bool = False

    @property
    def label(self) -> str:
        """The human name used where Pipedrive's field list does not offer one."""
        key = self.key.removesuffix("_id") if self.field_type in REFERENCED else self.key
        return key.replace("_", " ").capitalize()


def _table(table: str, optional: str = "", alone: str = "") -> tuple[Property, ...]:
    return (
        *_parse(table),
        *(replace(prop, optional=True) for prop in _parse(optional)),
        *(replace(prop, alone=True) for prop in _parse(alone)),
    )


def _parse(table: str) -> Iterator[Property]:
    for line in table.split(";"):
        field_type, _, keys = line.strip().partition(":")
        for key in keys.split():
            yield Property(key, field_type)


_COUNTS = (
    "email_messages_count activities_count done_activities_count undone_activities_count "
    "files_count notes_count followers_count"
)
_DEAL_COUNTS = (
    "open_deals_count closed_deals_count won_deals_count lost_deals_count related_open_deals_count "
    "related_closed_deals_count related_won_deals_count related_lost_deals_count"
)

DEALS = _table(
    """int: id; varchar: title; user: creator_user_id owner_id; people: person_id; org: org_id;
    pipeline: pipeline_id; stage: stage_id; double: value; varchar: currency;
    datetime: add_time update_time stage_change_time; status: status; boolean: is_deleted is_archived;
    datetime: archive_time; double: probability; varchar: lost_reason; visible_to: visible_to;
    datetime: close_time won_time lost_time;
    date: local_won_date local_lost_date local_close_date expected_close_date; ids: label_ids;
    varchar: origin origin_id; int: channel; varchar: channel_id; double: arr mrr acv""",
    optional=f"""activity: next_activity_id last_activity_id; datetime: first_won_time;
    int: products_count participants_count {_COUNTS};
    datetime: last_incoming_mail_time last_outgoing_mail_time; varchar: smart_bcc_email;
    lead: source_lead_id""",
)

PERSONS = _table(
    """int: id; varchar: name first_name last_name; user: owner_id; org: org_id;
    datetime: add_time update_time; contacts: emails phones; boolean: is_deleted;
    visible_to: visible_to; ids: label_ids; int: picture_id; address: postal_address; text: notes;
    contacts: im; date: birthday; varchar: job_title""",
    optional=f"""activity: next_activity_id last_activity_id;
    int: {_DEAL_COUNTS} participant_open_deals_count participant_closed_deals_count {_COUNTS};
    datetime: last_incoming_mail_time last_outgoing_mail_time;
    varchar: marketing_status doi_status smart_bcc_email""",
)

ORGANIZATIONS = _table(
    """int: id; varchar: name; user: owner_id; datetime: add_time update_time; boolean: is_deleted;
    visible_to: visible_to; address: address; ids: label_ids; varchar: website linkedin;
    int: industry; double: annual_revenue; int: employee_count""",
    optional=f"""activity: next_activity_id last_activity_id; int: {_DEAL_COUNTS} people_count {_COUNTS};
    varchar: smart_bcc_email""",
)

ACTIVITIES = _table(
    """int: id; varchar: subject type; user: owner_id creator_user_id; boolean: is_deleted;
    datetime: add_time update_time; deal: deal_id; lead: lead_id; people: person_id; org: org_id;
    project: project_id; date: due_date; clock: due_time duration; boolean: busy done;
    datetime: marked_as_done_time; address: location; json: participants;
    varchar: conference_meeting_client conference_meeting_url conference_meeting_id;
    text: public_description; int: priority; text: note; int: outcome""",
    optional="json: attendees",
)

PRODUCTS = _table(
    """int: id; varchar: name code; text: description; varchar: unit; double: tax; varchar: category;
    boolean: is_linkable is_deleted; visible_to: visible_to; user: owner_id;
    datetime: add_time update_time; varchar: billing_frequency; int: billing_frequency_cycles;
    json: prices""",
)

PIPELINES = _table(
    """int: id; varchar: name; int: order_nr; boolean: is_deleted is_deal_probability_enabled;
    datetime: add_time update_time""",
)

STAGES = _table(
    """int: id order_nr; varchar: name; boolean: is_deleted; int: deal_probability;
    pipeline: pipeline_id; boolean: is_deal_rot_enabled; int: days_to_rotten;
    datetime: add_time update_time""",
)

LEADS = _table(
    """uuid: id; varchar: title; user: owner_id creator_id; uuids: label_ids; people: person_id;
    org: organization_id; varchar: source_name origin origin_id; int: channel; varchar: channel_id;
    deal: source_deal_id; boolean: is_archived was_seen; amount: value; date: expected_close_date;
    activity: next_activity_id; datetime: add_time update_time archive_time; visible_to: visible_to;
    varchar: cc_email""",
)

NOTES = _table(
    """int: id; boolean: active_flag; datetime: add_time update_time; text: content; user: user_id;
    deal: deal_id; people: person_id; org: org_id; lead: lead_id; project: project_id; task: task_id;
    user: last_update_user_id; json: user deal person organization lead project task;
    boolean: pinned_to_deal_flag pinned_to_person_flag pinned_to_organization_flag
    pinned_to_lead_flag pinned_to_project_flag pinned_to_task_flag""",
)

USERS = _table(
    """int: id; varchar: name email; int: lang; varchar: locale timezone_name timezone_offset
    default_currency icon_url; boolean: active_flag is_deleted is_admin; int: role_id;
    datetime: created modified last_login; boolean: has_created_company is_you activated;
    varchar: phone; json: access""",
)

LEAD_LABELS = _table("uuid: id; varchar: name color; datetime: add_time update_time")

ACTIVITY_TYPES = _table(
    """int: id; varchar: name icon_key color; int: order_nr; varchar: key_string;
    boolean: active_flag is_custom_flag; datetime: add_time update_time""",
)

CURRENCIES = _table(
    """int: id; varchar: code name; int: decimal_points; varchar: symbol;
    boolean: active_flag is_custom_flag""",
)

FILTERS = _table(
    """int: id; varchar: name filter_code; boolean: is_editable active_flag; varchar: type;
    boolean: temporary_flag; user: user_id; datetime: add_time update_time; visible_to: visible_to;
    datetime: last_used_time; int: custom_view_id""",
    alone="json: conditions",
)

FILES = _table(
    """int: id; varchar: name file_name file_type; int: file_size; user: user_id; deal: deal_id;
    people: person_id; org: org_id; product: product_id; activity: activity_id; lead: lead_id;
    project: project_id; int: log_id; datetime: add_time update_time; boolean: active_flag inline_flag;
    varchar: remote_location remote_id cid s3_bucket mail_message_id mail_template_id
    deal_name person_name org_name product_name lead_name project_name url; text: description""",
)

DEAL_PRODUCTS = _table(
    """int: id; deal: deal_id; product: product_id; int: product_variation_id; varchar: name; int: order_nr;
    double: item_price quantity sum discount; varchar: discount_type; double: tax;
    varchar: tax_method currency; text: comments; boolean: is_enabled;
    billing_frequency: billing_frequency; int: billing_frequency_cycles; date: billing_start_date;
    datetime: add_time update_time""",
)

CHANGES = _table(
    """varchar: field_key; text: old_value new_value; user: actor_user_id; datetime: time;
    varchar: change_source change_source_user_agent; boolean: is_bulk_update_flag""",
)

CHANGE_KEY = ("time", "field_key", "old_value", "new_value", "actor_user_id")
"""What tells changes of one record from each other; they have no ids."""

DEAL_INSTALLMENTS = _table("int: id; deal: deal_id; double: amount; date: billing_date; varchar: description")

DEAL_DISCOUNTS = _table(
    """uuid: id; deal: deal_id; varchar: type; double: amount; varchar: description; datetime: created_at;
    user: created_by; datetime: updated_at; user: updated_by""",
)

DEAL_PARTICIPANTS = _table(
    """int: id; people: person_id; datetime: add_time; boolean: active_flag; user: added_by_user_id;
    varchar: related_item_type; int: related_item_id; json: related_item_data person""",
)

PARTICIPANT_CHANGES = _table("varchar: action; people: person_id; user: actor_user_id; datetime: time")

FOLLOWERS = _table("user: user_id; datetime: add_time")

FOLLOWER_CHANGES = _table("varchar: action; user: follower_user_id actor_user_id; datetime: time")

PERMITTED_USERS = _table("user: user_id")

NOTE_COMMENTS = _table(
    """uuid: uuid; text: content; user: user_id updater_id; boolean: active_flag;
    datetime: add_time update_time; varchar: object_type object_id; int: company_id""",
)

PRODUCT_IMAGES = _table(
    """int: id; product: product_id; varchar: company_id public_url; datetime: add_time;
    varchar: mime_type name""",
)

PRODUCT_DEALS = _table(
    f"""int: id; user: creator_user_id user_id; people: person_id; org: org_id; stage: stage_id;
    varchar: title; double: value; varchar: currency; datetime: add_time update_time stage_change_time;
    boolean: active deleted is_archived; status: status; double: probability;
    date: next_activity_date; clock: next_activity_time; activity: next_activity_id last_activity_id;
    date: last_activity_date; varchar: lost_reason; visible_to: visible_to; datetime: close_time;
    pipeline: pipeline_id; datetime: won_time first_won_time lost_time;
    int: products_count participants_count {_COUNTS}; date: expected_close_date;
    datetime: last_incoming_mail_time last_outgoing_mail_time; varchar: label; int: stage_order_nr;
    varchar: person_name org_name next_activity_subject next_activity_type next_activity_duration;
    text: next_activity_note; varchar: formatted_value; double: weighted_value;
    varchar: formatted_weighted_value weighted_value_currency; datetime: rotten_time;
    varchar: owner_name cc_email; boolean: org_hidden person_hidden; varchar: origin origin_id; int: channel;
    varchar: channel_id; double: arr mrr acv; varchar: arr_currency mrr_currency acv_currency""",
)

PERSON_PRODUCTS = _table("deal: deal_id; product: product_id; json: deal product")

FLOW = _table("varchar: object; datetime: timestamp; json: data")

GOAL_RESULTS = _table("double: progress; json: goal")

PRODUCT_VARIATIONS = _table("int: id; product: product_id; varchar: name; json: prices")

ORGANIZATION_RELATIONSHIPS = _table(
    """int: id; varchar: type; org: rel_owner_org_id rel_linked_org_id; datetime: add_time update_time;
    boolean: active_flag; varchar: calculated_type; org: calculated_related_org_id;
    varchar: related_organization_name""",
)

PROJECTS = _table(
    """int: id; varchar: title; text: description; varchar: status; projects_board: board_id;
    projects_phase: phase_id; user: owner_id; date: start_date end_date; deals: deal_ids;
    persons: person_ids; orgs: org_ids; ids: label_ids; int: health_status;
    datetime: add_time update_time status_change_time archive_time""",
)

TASKS = _table(
    """int: id; varchar: title; user: creator_id; text: description; project: project_id;
    boolean: is_done is_milestone; date: due_date start_date; task: parent_task_id; users: assignee_ids;
    int: priority; datetime: add_time update_time marked_as_done_time""",
)

BOARDS = _table("int: id; varchar: name; int: order_nr; datetime: add_time update_time")

PHASES = _table(
    "int: id; varchar: name; projects_board: board_id; int: order_nr; datetime: add_time update_time"
)

PROJECT_TEMPLATES = _table(
    """int: id; varchar: title; text: description; projects_board: projects_board_id; user: owner_id;
    datetime: add_time update_time""",
)

ROLES = _table(
    """int: id; role: parent_role_id; varchar: name; boolean: active_flag;
    int: assignment_count sub_role_count level""",
)

PERMISSION_SETS = _table("varchar: id name; text: description; varchar: app type; int: assignment_count")

LEGACY_TEAMS = _table(
    """int: id; varchar: name; text: description; user: manager_id; users: users;
    boolean: active_flag deleted_flag; datetime: add_time; user: created_by_user_id""",
)

CALL_LOGS = _table(
    """varchar: id; user: user_id; int: company_id; activity: activity_id; people: person_id; org: org_id;
    deal: deal_id; lead: lead_id; varchar: subject; int: duration;
    varchar: outcome from_phone_number to_phone_number; boolean: has_recording;
    datetime: start_time end_time; text: note""",
)

GOALS = _table(
    """varchar: id; user: owner_id; varchar: title; json: type assignee; varchar: interval;
    json: duration expected_outcome; boolean: is_active; texts: report_ids""",
)

WEBHOOKS = _table(
    """int: id company_id; user: owner_id user_id; varchar: event_action event_object;
    text: subscription_url; varchar: version; boolean: is_active; datetime: add_time remove_time;
    varchar: type http_auth_user remove_reason; datetime: last_delivery_time; int: last_http_status;
    user: admin_id; varchar: name""",
)

LEAD_SOURCES = _table("varchar: name")

USER_CONNECTIONS = _table("varchar: service third_party_id")

_FIELD = """varchar: field_name field_code field_type; json: options subfields;
    boolean: is_custom_field is_optional_response_field"""

CONTACT_FIELDS = DEAL_FIELDS = _table(
    f"{_FIELD}; text: description", optional="json: ui_visibility important_fields required_fields"
)

PRODUCT_FIELDS = _table(_FIELD, optional="json: ui_visibility")

ACTIVITY_FIELDS = _table(f"{_FIELD}; text: description", optional="json: ui_visibility")

PROJECT_FIELDS = _table(f"{_FIELD}; json: ui_visibility important_fields required_fields")

LEAD_FIELDS = _table(
    """varchar: key name; int: id order_nr; varchar: field_type; datetime: add_time update_time;
    user: last_updated_by_user_id created_by_user_id;
    boolean: active_flag edit_flag index_visible_flag details_visible_flag add_visible_flag important_flag
    bulk_edit_allowed searchable_flag filtering_allowed sortable_flag mandatory_flag;
    json: options options_deleted; boolean: is_subfield; json: subfields""",
)

NOTE_FIELDS = _table(
    """varchar: key name; int: id; varchar: field_type;
    boolean: active_flag edit_flag bulk_edit_allowed mandatory_flag; json: options""",
)

_MAIL_PARTY = _table(
    """int: id; varchar: email_address name; people: linked_person_id; varchar: linked_person_name;
    int: mail_message_party_id""",
)

LIST_PARTS: dict[str, tuple[Property, ...]] = {
    **dict.fromkeys(("from", "to", "cc", "bcc"), _MAIL_PARTY),
    "participants": _table("people: person_id; boolean: primary"),
    "attendees": _table(
        "varchar: email name status; boolean: is_organizer; people: person_id; user: user_id"
    ),
    "options": _table("varchar: id label color"),
    "subfields": _table("varchar: field_code field_name field_type"),
    "prices": _table("double: price; varchar: currency; double: cost direct_cost; text: notes"),
}
"""What the objects in a list have, by the key of the property that holds the list."""

ROLE_ASSIGNMENTS = _table(
    "user: user_id; int: role_id parent_role_id; varchar: name; boolean: active_flag; varchar: type"
)

ROLE_PIPELINES = _table("pipeline: pipeline_id")

PERMISSION_SET_ASSIGNMENTS = _table("user: user_id; varchar: permission_set_id name")

USER_PERMISSIONS = _table("varchar: permission; boolean: is_granted")

PROJECT_CHANGES = _table(
    """json: old_values new_values; user: actor_user_id; datetime: time;
    varchar: change_source change_source_user_agent""",
)

PROJECT_PLAN = _table("int: item_id; varchar: item_type; int: phase_id group_id")

PROJECT_GROUPS = _table("int: id; varchar: name; int: order_nr")

MAIL_MESSAGES = _table(
    """int: id mail_thread_id; varchar: account_id; user: user_id; varchar: subject snippet;
    json: from to cc bcc; varchar: body_url; text: body; varchar: mail_tracking_status draft;
    boolean: mail_link_tracking_enabled_flag read_flag draft_flag synced_flag deleted_flag has_body_flag
    sent_flag sent_from_pipedrive_flag smart_bcc_flag has_attachments_flag has_inline_attachments_flag
    has_real_attachments_flag external_deleted_flag; datetime: message_time add_time update_time timestamp;
    varchar: nylas_id s3_bucket s3_bucket_path mua_message_id item_type; int: template_id company_id""",
)

MAIL_THREADS = _table(
    """int: id; varchar: account_id; user: user_id; varchar: subject snippet snippet_draft snippet_sent
    mail_tracking_status; json: parties drafts_parties folders; int: version message_count;
    boolean: read_flag has_attachments_flag has_inline_attachments_flag has_real_attachments_flag deleted_flag
    synced_flag smart_bcc_flag mail_link_tracking_enabled_flag has_draft_flag has_sent_flag archived_flag
    shared_flag external_deleted_flag first_message_to_me_flag all_messages_sent_flag;
    datetime: last_message_timestamp first_message_timestamp last_message_sent_timestamp
    last_message_received_timestamp add_time update_time; deal: deal_id; varchar: deal_status;
    lead: lead_id""",
)

MESSAGES_OF_THREADS = _table(
    """int: id mail_thread_id; varchar: account_id; user: user_id; varchar: subject snippet;
    json: from to cc bcc; varchar: body_url mail_tracking_status draft;
    boolean: mail_link_tracking_enabled_flag read_flag synced_flag deleted_flag has_body_flag sent_flag
    sent_from_pipedrive_flag smart_bcc_flag has_attachments_flag has_inline_attachments_flag
    has_real_attachments_flag; datetime: message_time add_time update_time""",
)
