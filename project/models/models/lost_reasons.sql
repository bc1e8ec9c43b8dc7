{{ config(enabled=has('deals') and has('stages') and has('pipelines')) }}
with lost as (
  select month, nullif(trim(lost_reason), '') as reason, pipeline_id, stage_id, currency,
    count(*) as lost, coalesce(sum(value), 0) as value
  from {{ ref('base_closed_deals') }} where status = 'lost' group by all
)

select
  lost.month,
  lost.reason,
  lost.pipeline_id,
  pipelines.name as pipeline,
  lost.stage_id,
  stages.name as stage,
  lost.currency,
  lost.lost,
  lost.value,
  {{ in_base('lost.value', 'lost.currency', 'last_day(lost.month)') }} as value_base,
  {{ ratio('lost.lost', 'sum(lost.lost) over (partition by lost.month)') }} as share
from lost
left join {{ ref('base_pipelines') }} as pipelines on pipelines.id = lost.pipeline_id
left join {{ ref('base_stages') }} as stages on stages.id = lost.stage_id
