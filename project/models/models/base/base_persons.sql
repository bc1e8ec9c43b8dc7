{{ config(enabled=has('persons')) }}
with found as (
  {{ rows_of(source('pipedrive', var('persons')), {
    '_id': 'bigint', 'name': 'varchar', 'emails': 'struct("value" varchar, "label" varchar, "primary" boolean)[]',
    'phones': 'struct("value" varchar, "label" varchar, "primary" boolean)[]', 'org_id': 'bigint',
    'owner_id': 'bigint', 'add_time': 'timestamptz', '_is_current': 'boolean'
  }) }}
)

select _id as id, name, emails, phones, org_id, owner_id, add_time
from found
where _is_current
