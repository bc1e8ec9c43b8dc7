{{ config(enabled=has('leads')) }}
with found as (
  {{ rows_of(source('pipedrive', var('leads')), {
    '_id': 'varchar', 'title': 'varchar', 'owner_id': 'bigint', 'source_name': 'varchar', 'origin': 'varchar',
    'channel': 'varchar', 'add_time': 'timestamptz', '_is_current': 'boolean', '_removal': 'varchar'
  }) }}
)

-- A lead that became a deal is deleted at Pipedrive, so those that are gone are told apart, not left out.
select
  _id as id,
  title,
  owner_id,
  coalesce(origin, source_name) as origin,
  channel,
  add_time,
  coalesce(_is_current or _removal = 'archived', false) as is_current
from found
