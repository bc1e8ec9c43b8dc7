{{ config(enabled=has('deals') and has('pipelines') and has('stages') and has('users')) }}
with open_deals as (
  select
    date_trunc('month', expected_close_date)::date as month, pipeline_id, currency,
    count(*) as open_deals,
    sum(value) as open_value,
    sum(weighted_value) as weighted_value,
    count(*) filter (where expected_close_date < {{ today() }}) as overdue_deals,
    coalesce(sum(value) filter (where expected_close_date < {{ today() }}), 0) as overdue_value
  from {{ ref('deals_named') }}
  where status = 'open' and expected_close_date is not null
  group by all
),

won as (
  select month, pipeline_id, currency, count(*) as won_deals, sum(value) as won_value
  from {{ ref('base_closed_deals') }}
  where status = 'won'
  group by all
),

moves as (
  select
    deal_id, expected_close_date, status, not is_deleted as is_kept,
    coalesce(lag(valid_to) over deal = valid_from, false) and lag(status) over deal = 'open' as was_open,
    lag(expected_close_date) over deal as date_before,
    lag(pipeline_id) over deal as pipeline_before,
    lag(currency) over deal as currency_before
  from {{ ref('deal_versions') }}
  window deal as (partition by deal_id order by valid_from)
),

slipped as (
  select
    date_trunc('month', date_before)::date as month, pipeline_before as pipeline_id, currency_before as currency,
    count(distinct deal_id) as slipped_deals,
    count(*) as slips,
    sum(expected_close_date - date_before) as slipped_days
  from moves
  where is_kept and was_open and status = 'open' and expected_close_date > date_before
  group by all
),

keys as (
  select month, pipeline_id, currency from open_deals
  union select month, pipeline_id, currency from won
  union select month, pipeline_id, currency from slipped
)

select
  keys.month,
  keys.pipeline_id,
  pipelines.name as pipeline,
  keys.currency,
  coalesce(open_deals.open_deals, 0) as open_deals,
  coalesce(open_deals.open_value, 0) as open_value,
  coalesce(open_deals.weighted_value, 0) as weighted_value,
  {{ in_base('open_deals.weighted_value', 'keys.currency', today()) }} as weighted_value_base,
  coalesce(won.won_deals, 0) as won_deals,
  coalesce(won.won_value, 0) as won_value,
  {{ in_base('won.won_value', 'keys.currency', 'last_day(keys.month)') }} as won_value_base,
  coalesce(open_deals.overdue_deals, 0) as overdue_deals,
  coalesce(open_deals.overdue_value, 0) as overdue_value,
  coalesce(slipped.slipped_deals, 0) as slipped_deals,
  coalesce(slipped.slips, 0) as slips,
  coalesce(slipped.slipped_days, 0)::bigint as slipped_days,
  known.known_from
from keys
cross join {{ ref('base_known') }} as known
left join open_deals on open_deals.month = keys.month and open_deals.pipeline_id = keys.pipeline_id
  and open_deals.currency is not distinct from keys.currency
left join won on won.month = keys.month and won.pipeline_id = keys.pipeline_id
  and won.currency is not distinct from keys.currency
left join slipped on slipped.month = keys.month and slipped.pipeline_id = keys.pipeline_id
  and slipped.currency is not distinct from keys.currency
left join {{ ref('base_pipelines') }} as pipelines on pipelines.id = keys.pipeline_id
