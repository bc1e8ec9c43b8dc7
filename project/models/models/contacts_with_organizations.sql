{{ config(enabled=has('persons') and has('organizations')) }}
with deals as (
{% if has('deals') %}
  select person_id, count(*) filter (where status = 'open') as open_deals, count(*) filter (where status = 'won') as won_deals
  from {{ ref('base_deals') }} where person_id is not null group by person_id
{% else %}
  select null::bigint as person_id, 0 as open_deals, 0 as won_deals where false
{% endif %}
),

activities as (
{% if has('activities') %}
  select person_id, max(done_at) as last_activity_at
  from {{ ref('base_activities') }} where person_id is not null group by person_id
{% else %}
  select null::bigint as person_id, null::timestamptz as last_activity_at where false
{% endif %}
)

select
  persons.id as person_id,
  persons.name,
  coalesce(list_filter(persons.emails, lambda x: x."primary")[1]."value", persons.emails[1]."value") as email,
  coalesce(list_filter(persons.phones, lambda x: x."primary")[1]."value", persons.phones[1]."value") as phone,
  persons.org_id as organization_id,
  organizations.name as organization,
  organizations.address as organization_address,
  persons.owner_id,
  {% if has('users') %}users.name{% else %}null::varchar{% endif %} as owner,
  coalesce(deals.open_deals, 0) as open_deals,
  coalesce(deals.won_deals, 0) as won_deals,
  activities.last_activity_at
from {{ ref('base_persons') }} as persons
left join {{ ref('base_organizations') }} as organizations on organizations.id = persons.org_id
{% if has('users') %}left join {{ ref('base_users') }} as users on users.id = persons.owner_id{% endif %}
left join deals on deals.person_id = persons.id
left join activities on activities.person_id = persons.id
