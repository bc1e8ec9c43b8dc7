{{ config(enabled=has('stages')) }}
with found as (
  {{ rows_of(source('pipedrive', var('stages')), {
    '_id': 'bigint', 'name': 'varchar', 'pipeline_id': 'bigint', 'order_nr': 'bigint',
    'deal_probability': 'double', 'is_deal_rot_enabled': 'boolean', 'days_to_rotten': 'bigint',
    '_is_current': 'boolean'
  }) }}
)

select
  _id as id,
  name,
  pipeline_id,
  order_nr,
  deal_probability as probability,
  case when is_deal_rot_enabled then days_to_rotten end as days_to_rotten,
  _is_current as is_current
from found
