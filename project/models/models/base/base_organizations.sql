{{ config(enabled=has('organizations')) }}
with found as (
  {{ rows_of(source('pipedrive', var('organizations')), {
    '_id': 'bigint', 'name': 'varchar', 'address': 'json', 'owner_id': 'bigint', '_is_current': 'boolean'
  }) }}
)

select
  _id as id,
  name,
  case when json_type(address) = 'OBJECT' then address ->> '$.value' else address ->> '$' end as address,
  owner_id
from found
where _is_current
