{{ config(enabled=has('deals') and has('pipelines') and has('users')) }}
with closed as (
  select
    month, pipeline_id, owner_id, currency,
    count(*) filter (where status = 'won') as won,
    count(*) filter (where status = 'lost') as lost,
    coalesce(sum(value) filter (where status = 'won'), 0) as won_value,
    coalesce(sum(value) filter (where status = 'lost'), 0) as lost_value,
    avg(value) filter (where status = 'won') as average_won_value,
    avg(cycle_days) as mean_cycle_days,
    median(cycle_days) as median_cycle_days
  from {{ ref('base_closed_deals') }}
  group by all
)

select
  closed.month,
  closed.pipeline_id,
  pipelines.name as pipeline,
  closed.owner_id,
  users.name as owner,
  closed.currency,
  closed.won,
  closed.lost,
  closed.won_value,
  {{ in_base('closed.won_value', 'closed.currency', 'last_day(closed.month)') }} as won_value_base,
  closed.lost_value,
  closed.average_won_value,
  {{ ratio('closed.won', 'closed.won + closed.lost') }} as win_rate,
  {{ ratio('closed.won_value', 'closed.won_value + closed.lost_value') }} as win_rate_by_value,
  closed.mean_cycle_days,
  closed.median_cycle_days
from closed
left join {{ ref('base_pipelines') }} as pipelines on pipelines.id = closed.pipeline_id
left join {{ ref('base_users') }} as users on users.id = closed.owner_id
