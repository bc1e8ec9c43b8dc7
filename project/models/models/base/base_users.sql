{{ config(enabled=has('users')) }}
with found as (
  {{ rows_of(source('pipedrive', var('users')), {
    '_id': 'bigint', 'name': 'varchar', 'email': 'varchar', 'active_flag': 'boolean', '_is_current': 'boolean'
  }) }}
)

-- Users who are gone keep their names, since deals of the past are theirs.
select _id as id, name, email, coalesce(active_flag, true) and _is_current as is_active
from found
