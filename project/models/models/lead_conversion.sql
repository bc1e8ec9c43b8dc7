{{ config(enabled=has('leads') and has('deals')) }}
with conversions as (
  select
    source_lead_id as lead_id,
    arg_min({'add_time': add_time, 'origin': origin, 'channel': channel}, (add_time, id)) as first_deal,
    bool_or(status = 'won') as is_won
  from {{ ref('base_deals') }} where source_lead_id is not null group by all
),

-- A lead that became a deal may be gone, and may never have been imported; then the deal tells of it.
leads as (
  select
    coalesce(leads.id, conversions.lead_id) as lead_id,
    coalesce(leads.add_time, conversions.first_deal.add_time) as add_time,
    case when leads.id is null then conversions.first_deal.origin else leads.origin end as origin,
    case when leads.id is null then conversions.first_deal.channel else leads.channel end as channel,
    conversions.lead_id is not null as is_converted,
    coalesce(conversions.is_won, false) as is_won
  from {{ ref('base_leads') }} as leads full join conversions on conversions.lead_id = leads.id
  where leads.is_current or conversions.lead_id is not null
),

first_done as (
{% if has('activities') %}
  select lead_id, min(done_at) as done_at
  from {{ ref('base_activities') }} where lead_id is not null and done_at is not null group by all
{% else %}
  select null::varchar as lead_id, null::timestamptz as done_at where false
{% endif %}
),

sums as (
  select {{ local_month('leads.add_time') }} as month, leads.origin, leads.channel, deals.currency,
    sum(deals.value) as won_value,
    sum({{ in_base('deals.value', 'deals.currency', local_day('deals.won_time')) }}) as value_base,
    count(deals.value) as values,
    count({{ in_base('deals.value', 'deals.currency', local_day('deals.won_time')) }}) as bases
  from leads inner join {{ ref('base_deals') }} as deals on deals.source_lead_id = leads.lead_id
  where deals.status = 'won'
  group by all
),

money as (
  select month, origin, channel,
    list({'currency': currency, 'value': won_value} order by currency) filter (where won_value is not null) as won_values,
    case when sum(values) = sum(bases) then sum(value_base) end as won_value_base
  from sums group by all
),

counted as (
  select
    {{ local_month('leads.add_time') }} as month,
    leads.origin,
    leads.channel,
    count(*) as leads,
    count(*) filter (where leads.is_converted) as converted,
    count(*) filter (where leads.is_won) as won,
    median((epoch(first_done.done_at) - epoch(leads.add_time)) / 3600.0) as median_hours_to_first_activity
  from leads left join first_done on first_done.lead_id = leads.lead_id
  group by all
)

select
  counted.month,
  counted.origin,
  counted.channel,
  counted.leads,
  counted.converted,
  counted.won,
  {{ ratio('counted.converted', 'counted.leads') }} as conversion,
  coalesce(money.won_values, []) as won_values,
  case when counted.won > 0 then money.won_value_base else 0 end as won_value_base,
  counted.median_hours_to_first_activity
from counted
left join money on money.month = counted.month and money.origin is not distinct from counted.origin
  and money.channel is not distinct from counted.channel
