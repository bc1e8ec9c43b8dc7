{{ config(enabled=has('activities') and has('users')) }}
with done as (
  select {{ local_week('done_at') }} as week, owner_id, type, count(*) as done
  from {{ ref('base_activities') }} where done_at is not null group by all
),

due as (
  select date_trunc('week', due_date)::date as week, owner_id, type,
    count(*) filter (where due_date < {{ today() }}) as overdue,
    count(*) filter (where due_date >= {{ today() }}) as planned
  from {{ ref('base_activities') }} where not is_done and due_date is not null group by all
),

won as (
{% if has('deals') %}
  select {{ local_week('closed_at') }} as week, owner_id, count(*) as won
  from {{ ref('base_closed_deals') }} where status = 'won' group by all
{% else %}
  select null::date as week, null::bigint as owner_id, 0 as won where false
{% endif %}
),

joined as (
  select
    coalesce(done.week, due.week) as week,
    coalesce(done.owner_id, due.owner_id) as owner_id,
    coalesce(done.type, due.type) as type,
    coalesce(done.done, 0) as done,
    coalesce(due.overdue, 0) as overdue,
    coalesce(due.planned, 0) as planned
  from done full join due on due.week = done.week and due.owner_id is not distinct from done.owner_id
    and due.type is not distinct from done.type
)

select
  joined.week,
  joined.owner_id,
  users.name as owner,
  joined.type,
  joined.done,
  joined.overdue,
  joined.planned,
  coalesce(won.won, 0) as won_deals,
  {{ ratio('joined.done', 'won.won') }} as done_per_won_deal
from joined
left join won on won.week = joined.week and won.owner_id is not distinct from joined.owner_id
left join {{ ref('base_users') }} as users on users.id = joined.owner_id
