{{ config(enabled=has('deals')) }}
-- Deals that are there today; those that are deleted, merged or invisible are in no figure.
with found as (
  {{ rows_of(source('pipedrive', var('deals')), {
    '_id': 'bigint', 'title': 'varchar', 'value': 'double', 'currency': 'varchar', 'status': 'varchar',
    'pipeline_id': 'bigint', 'stage_id': 'bigint', 'person_id': 'bigint', 'org_id': 'bigint',
    'owner_id': 'bigint', 'label_ids': 'bigint[]', 'probability': 'double', 'lost_reason': 'varchar',
    'expected_close_date': 'date', 'won_time': 'timestamptz', 'lost_time': 'timestamptz',
    'close_time': 'timestamptz', 'stage_change_time': 'timestamptz', 'add_time': 'timestamptz',
    'source_lead_id': 'varchar', 'origin': 'varchar', 'channel': 'varchar', 'next_activity_id': 'bigint',
    '_is_current': 'boolean', '_is_archived': 'boolean', '_removal': 'varchar', '_first_imported_at': 'timestamptz'
  }) }}
)

select
  _id as id,
  title,
  {{ money('value') }} as value,
  currency,
  status,
  pipeline_id,
  stage_id,
  person_id,
  org_id,
  owner_id,
  label_ids,
  probability,
  lost_reason,
  expected_close_date,
  case when status = 'won' then coalesce(won_time, close_time) end as won_time,
  case when status = 'lost' then coalesce(lost_time, close_time) end as lost_time,
  stage_change_time,
  coalesce(add_time, _first_imported_at) as add_time,
  source_lead_id,
  origin,
  channel,
  next_activity_id,
  coalesce(_is_archived, false) or coalesce(_removal = 'archived', false) as is_archived
from found
where _is_current or _removal = 'archived'
