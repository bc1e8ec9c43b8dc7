{{ config(enabled=has('activities')) }}
with found as (
  {{ rows_of(source('pipedrive', var('activities')), {
    '_id': 'bigint', 'subject': 'varchar', 'type': 'varchar', 'done': 'boolean', 'due_date': 'date',
    'owner_id': 'bigint', 'deal_id': 'bigint', 'person_id': 'bigint', 'org_id': 'bigint',
    'lead_id': 'varchar', 'marked_as_done_time': 'timestamptz', '_is_current': 'boolean'
  }) }}
)

select
  _id as id,
  subject,
  type,
  coalesce(done, false) as is_done,
  due_date,
  owner_id,
  deal_id,
  person_id,
  org_id,
  lead_id,
  case when done then marked_as_done_time end as done_at
from found
where _is_current
