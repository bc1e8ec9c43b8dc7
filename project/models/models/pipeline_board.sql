{{ config(enabled=has('deals') and has('stages') and has('pipelines') and has('users')) }}
with open_deals as (
  select
    pipeline_id, stage_id, currency, count(*) as open_deals, count(*) filter (where is_archived) as archived_deals,
    sum(value) as value, sum(weighted_value) as weighted_value, median(age_days) as median_age_days,
    avg(age_days) as mean_age_days, count(*) filter (where is_rotten) as rotten_deals
  from {{ ref('deals_named') }}
  where status = 'open'
  group by all
)

select
  pipelines.id as pipeline_id,
  pipelines.name as pipeline,
  pipelines.order_nr as pipeline_order,
  stages.id as stage_id,
  stages.name as stage,
  stages.order_nr as stage_order,
  open_deals.currency,
  coalesce(open_deals.open_deals, 0) as open_deals,
  coalesce(open_deals.archived_deals, 0) as archived_deals,
  coalesce(open_deals.value, 0) as value,
  {{ in_base('open_deals.value', 'open_deals.currency', today()) }} as value_base,
  coalesce(open_deals.weighted_value, 0) as weighted_value,
  open_deals.median_age_days,
  open_deals.mean_age_days,
  coalesce(open_deals.rotten_deals, 0) as rotten_deals
from {{ ref('base_stages') }} as stages
inner join {{ ref('base_pipelines') }} as pipelines on pipelines.id = stages.pipeline_id
left join open_deals on open_deals.stage_id = stages.id and open_deals.pipeline_id = pipelines.id
where (stages.is_current and pipelines.is_current) or open_deals.open_deals > 0
