{{ config(enabled=has('deals') and has('stages') and has('pipelines')) }}
-- A deal counts on every day at whose end it was open. Only what comes and goes is looked at, and summed up.
with versions as (
  select
    versions.pipeline_id,
    versions.stage_id,
    coalesce(versions.currency, '') as currency,
    versions.value,
    {{ weighted('versions.value', 'versions.probability', 'stages.probability', 'pipelines.uses_probability') }}
      as weighted_value,
    greatest({{ local_day('versions.valid_from') }}, {{ local_day('known.known_from') }}) as first_day,
    {{ local_day("versions.valid_to - interval '1 microsecond'") }} + (
      case when {{ local('versions.valid_to') }} = date_trunc('day', {{ local('versions.valid_to') }}) then 1 else 0 end
    )::int as end_day
  from {{ ref('deal_versions') }} as versions
  cross join {{ ref('base_known') }} as known
  left join {{ ref('base_stages') }} as stages on stages.id = versions.stage_id
  left join {{ ref('base_pipelines') }} as pipelines on pipelines.id = versions.pipeline_id
  where versions.status = 'open' and not versions.is_deleted and versions.valid_from < {{ as_of() }}
),

steps as (
  select pipeline_id, stage_id, currency, first_day as day, 1 as deals, value, weighted_value
  from versions where end_day is null or end_day > first_day
  union all
  select pipeline_id, stage_id, currency, end_day, -1, -value, -weighted_value
  from versions where end_day > first_day
),

days_of_steps as (
  select pipeline_id, stage_id, currency, day, sum(deals) as deals, sum(value) as value, sum(weighted_value) as weighted_value
  from steps group by all
),

days as (
  select keys.pipeline_id, keys.stage_id, keys.currency, unnest(generate_series(keys.first_day, {{ today() }}, interval 1 day))::date as day
  from (select pipeline_id, stage_id, currency, min(day) as first_day from days_of_steps group by all) as keys
),

summed as (
  select
    days.*,
    sum(coalesce(steps.deals, 0)) over so_far as open_deals,
    sum(coalesce(steps.value, 0)) over so_far as value,
    sum(coalesce(steps.weighted_value, 0)) over so_far as weighted_value
  from days left join days_of_steps as steps using (pipeline_id, stage_id, currency, day)
  window so_far as (partition by days.pipeline_id, days.stage_id, days.currency order by days.day)
)

select
  summed.day,
  summed.pipeline_id,
  pipelines.name as pipeline,
  summed.stage_id,
  stages.name as stage,
  stages.order_nr as stage_order,
  nullif(summed.currency, '') as currency,
  summed.open_deals::bigint as open_deals,
  summed.value,
  {{ in_base('summed.value', 'summed.currency', 'summed.day') }} as value_base,
  summed.weighted_value,
  known.known_from
from summed
cross join {{ ref('base_known') }} as known
left join {{ ref('base_pipelines') }} as pipelines on pipelines.id = summed.pipeline_id
left join {{ ref('base_stages') }} as stages on stages.id = summed.stage_id
