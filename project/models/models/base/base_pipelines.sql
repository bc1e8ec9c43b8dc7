{{ config(enabled=has('pipelines')) }}
with found as (
  {{ rows_of(source('pipedrive', var('pipelines')), {
    '_id': 'bigint', 'name': 'varchar', 'order_nr': 'bigint', 'is_deal_probability_enabled': 'boolean',
    '_is_current': 'boolean'
  }) }}
)

select
  _id as id,
  name,
  order_nr,
  coalesce(is_deal_probability_enabled, false) as uses_probability,
  _is_current as is_current
from found
