{{ config(enabled=has('deals') and has('users')) }}
with sums as (
  select month, owner_id, currency, sum(value) filter (where status = 'won') as won_value
  from {{ ref('base_closed_deals') }}
  group by all
),

in_base as (
  select
    month, owner_id,
    list({'currency': currency, 'value': won_value} order by currency) filter (where won_value is not null) as won_values,
    -- A sum that lacks one of its currencies would be wrong.
    case when count(won_value) = count(value_base) filter (where won_value is not null) then sum(value_base) end as won_value_base
  from (
    select *, {{ in_base('sums.won_value', 'sums.currency', 'last_day(sums.month)') }} as value_base from sums
  )
  group by all
),

closed as (
  select
    month, owner_id,
    count(*) filter (where status = 'won') as won,
    count(*) filter (where status = 'lost') as lost,
    avg(cycle_days) as mean_cycle_days,
    median(cycle_days) as median_cycle_days
  from {{ ref('base_closed_deals') }}
  group by all
),

created as (
  select {{ local_month('deals.add_time') }} as month, coalesce(first.owner_id, deals.owner_id) as owner_id,
    count(*) as created
  from {{ ref('base_deals') }} as deals
  left join {{ ref('deal_versions') }} as first on first.deal_id = deals.id and first.version_nr = 1
  group by all
),

activities as (
{% if has('activities') %}
  select {{ local_month('done_at') }} as month, owner_id, count(*) as activities_done
  from {{ ref('base_activities') }} where done_at is not null group by all
{% else %}
  select null::date as month, null::bigint as owner_id, 0 as activities_done where false
{% endif %}
),

keys as (
  select month, owner_id from closed
  union select month, owner_id from created
  union select month, owner_id from activities
)

select
  keys.month,
  keys.owner_id,
  users.name as owner,
  coalesce(closed.won, 0) as won,
  coalesce(closed.lost, 0) as lost,
  coalesce(in_base.won_values, []) as won_values,
  case when coalesce(closed.won, 0) > 0 then in_base.won_value_base else 0 end as won_value_base,
  {{ ratio('closed.won', 'closed.won + closed.lost') }} as win_rate,
  closed.mean_cycle_days,
  closed.median_cycle_days,
  coalesce(activities.activities_done, 0) as activities_done,
  coalesce(created.created, 0) as deals_created
from keys
left join closed on closed.month = keys.month and closed.owner_id is not distinct from keys.owner_id
left join in_base on in_base.month = keys.month and in_base.owner_id is not distinct from keys.owner_id
left join created on created.month = keys.month and created.owner_id is not distinct from keys.owner_id
left join activities on activities.month = keys.month and activities.owner_id is not distinct from keys.owner_id
left join {{ ref('base_users') }} as users on users.id = keys.owner_id
