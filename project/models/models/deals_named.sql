{{ config(enabled=has('deals') and has('stages') and has('pipelines') and has('users')) }}
with last_done as (
{% if has('activities') %}
  select deal_id, max(done_at) as done_at from {{ ref('base_activities') }}
  where deal_id is not null group by deal_id
{% else %}
  select null::bigint as deal_id, null::timestamptz as done_at where false
{% endif %}
),

labels as (
{% if load_relation(source('import_ledger', 'option_labels')) %}
  select try_cast(option_id as bigint) as id, any_value(label) as label
  from {{ source('import_ledger', 'option_labels') }}
  where object_type = 'deals' and key = 'label_ids' group by all
{% else %}
  select null::bigint as id, null::varchar as label where false
{% endif %}
),

named as (
  select deals.id as deal_id, list(coalesce(labels.label, one.id::varchar) order by one.nr) as labels
  from {{ ref('base_deals') }} as deals
  cross join lateral (
    select unnest(deals.label_ids) as id, generate_subscripts(deals.label_ids, 1) as nr
  ) as one
  left join labels on labels.id = one.id
  group by deals.id
),

aged as (
  select
    deals.*,
    greatest(deals.add_time, deals.stage_change_time, last_done.done_at) as idle_since,
    coalesce(deals.won_time, deals.lost_time, {{ as_of() }}) as counted_to
  from {{ ref('base_deals') }} as deals left join last_done on last_done.deal_id = deals.id
)

select
  aged.id as deal_id,
  aged.title,
  aged.status,
  aged.is_archived,
  aged.pipeline_id,
  pipelines.name as pipeline,
  aged.stage_id,
  stages.name as stage,
  stages.order_nr as stage_order,
  aged.owner_id,
  users.name as owner,
  aged.person_id,
  {% if has('persons') %}persons.name{% else %}null::varchar{% endif %} as person,
  aged.org_id as organization_id,
  {% if has('organizations') %}organizations.name{% else %}null::varchar{% endif %} as organization,
  coalesce(named.labels, []) as labels,
  aged.value,
  aged.currency,
  {{ in_base('aged.value', 'aged.currency', today()) }} as value_base,
  {{ weighted('aged.value', 'aged.probability', 'stages.probability', 'pipelines.uses_probability') }}
    as weighted_value,
  aged.probability,
  aged.lost_reason,
  aged.expected_close_date,
  aged.add_time,
  aged.won_time,
  aged.lost_time,
  {{ days_between('aged.add_time', 'aged.counted_to') }} as age_days,
  {{ days_between('coalesce(aged.stage_change_time, aged.add_time)', 'aged.counted_to') }} as days_in_stage,
  aged.idle_since,
  {{ days_between('aged.idle_since', as_of()) }} as idle_days,
  aged.status = 'open' and coalesce(
    {{ days_between('aged.idle_since', as_of()) }} > stages.days_to_rotten, false
  ) as is_rotten
from aged
left join {{ ref('base_pipelines') }} as pipelines on pipelines.id = aged.pipeline_id
left join {{ ref('base_stages') }} as stages on stages.id = aged.stage_id
left join {{ ref('base_users') }} as users on users.id = aged.owner_id
{% if has('persons') %}left join {{ ref('base_persons') }} as persons on persons.id = aged.person_id{% endif %}
{% if has('organizations') %}left join {{ ref('base_organizations') }} as organizations on organizations.id = aged.org_id{% endif %}
left join named on named.deal_id = aged.id
