{{ config(enabled=has('deals') and has('pipelines') and has('stages')) }}
with closed as (
  select
    month, pipeline_id, currency,
    count(*) filter (where status = 'won') as won,
    count(*) filter (where status = 'lost') as lost,
    avg(value) filter (where status = 'won') as average_won_value,
    avg(cycle_days) as mean_cycle_days
  from {{ ref('base_closed_deals') }}
  group by all
),

-- Days are known up to today, which is the end of a month that is not over.
ends as (
  select date_trunc('month', day)::date as month, pipeline_id, currency, day, sum(open_deals) as open_deals
  from {{ ref('pipeline_daily') }}
  where (day = last_day(day) or day = {{ today() }}) and open_deals > 0
  group by all
),

joined as (
  select
    coalesce(closed.month, ends.month) as month,
    coalesce(closed.pipeline_id, ends.pipeline_id) as pipeline_id,
    coalesce(closed.currency, ends.currency) as currency,
    ends.open_deals,
    coalesce(closed.won, 0) as won,
    coalesce(closed.lost, 0) as lost,
    closed.average_won_value,
    closed.mean_cycle_days
  from closed full join ends
    on ends.month = closed.month and ends.pipeline_id = closed.pipeline_id
    and ends.currency is not distinct from closed.currency
)

select
  joined.month,
  joined.pipeline_id,
  pipelines.name as pipeline,
  joined.currency,
  -- Before every deal is known, how many were open is not; and where none was ever open, there are none.
  case when last_day(joined.month) >= {{ local_day('known.known_from') }}
    then coalesce(joined.open_deals, 0)::bigint end as open_deals,
  joined.won,
  joined.lost,
  {{ ratio('joined.won', 'joined.won + joined.lost') }} as win_rate,
  joined.average_won_value,
  joined.mean_cycle_days,
  case when last_day(joined.month) >= {{ local_day('known.known_from') }} then
    coalesce(joined.open_deals, 0) * {{ ratio('joined.won', 'joined.won + joined.lost') }} * joined.average_won_value
      / nullif(joined.mean_cycle_days, 0)
  end as velocity_per_day,
  known.known_from
from joined
cross join {{ ref('base_known') }} as known
left join {{ ref('base_pipelines') }} as pipelines on pipelines.id = joined.pipeline_id
