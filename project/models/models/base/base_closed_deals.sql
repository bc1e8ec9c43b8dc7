{{ config(enabled=has('deals')) }}
-- Deals that are won or lost today, with who owned them when they were closed as far as that is known.
with closed as (
  select *, coalesce(won_time, lost_time) as closed_at
  from {{ ref('base_deals') }}
  where status in ('won', 'lost') and coalesce(won_time, lost_time) is not null
),

owners as (
  select versions.deal_id, arg_max(versions.owner_id, versions.valid_from) as owner_id
  from {{ ref('deal_versions') }} as versions
  inner join closed on closed.id = versions.deal_id and versions.valid_from <= closed.closed_at
  group by all
)

select
  closed.* exclude (owner_id),
  coalesce(owners.owner_id, closed.owner_id) as owner_id,
  {{ local_month('closed.closed_at') }} as month,
  {{ days_between('closed.add_time', 'closed.won_time') }} as cycle_days
from closed left join owners on owners.deal_id = closed.id
