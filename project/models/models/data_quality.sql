{{ config(enabled=has('deals') and has('stages') and has('pipelines') and has('users') and has('persons')
  and has('organizations') and has('activities')) }}
{%- set before = load_relation(this) %}
-- A finding stays one row from when it was first seen until it is resolved; when it comes back it is a new one.
with open_deals as (
  select * from {{ ref('deals_named') }} where status = 'open'
),

stays as (
  select stage_id, median(days) as median_days
  from {{ ref('deal_stage_history') }} where not is_deleted and left_at is not null group by all
),

planned as (
  select distinct deal_id from {{ ref('base_activities') }} where not is_done and deal_id is not null
),

last_done as (
  select deal_id, max(done_at) as done_at from {{ ref('base_activities') }} where deal_id is not null group by all
),

mailboxes as (
  select distinct persons.id, lower(trim(one.mailbox."value")) as email
  from {{ ref('base_persons') }} as persons, lateral (select unnest(persons.emails) as mailbox) as one
  where trim(one.mailbox."value") <> ''
),

organization_names as (
  select id, name, owner_id, trim(regexp_replace(
    regexp_replace(lower(name), '[^\pL\pN]+', ' ', 'g'),
    '( (gmbh co kg|gmbh|ag|kg|ug|ohg|se|inc|llc|llp|ltd|limited|corp|corporation|co|plc|sa|sas|sarl|srl|spa|bv|nv|ab|oy|as))+ *$',
    ''
  )) as normalised
  from {{ ref('base_organizations') }}
),

seen(rule, object_id, name, owner_id) as (
  select 'deal_without_activity', deals.deal_id::varchar, deals.title, deals.owner_id
  from open_deals as deals left join last_done on last_done.deal_id = deals.deal_id
  cross join (select threshold from {{ ref('quality_rules') }} where rule = 'deal_without_activity') as rules
  where {{ days_between('greatest(deals.add_time, last_done.done_at)', as_of()) }} > rules.threshold
  union all
  select 'deal_without_next_activity', deal_id::varchar, title, owner_id
  from open_deals where deal_id not in (select deal_id from planned)
  union all
  select 'expected_close_in_the_past', deal_id::varchar, title, owner_id
  from open_deals where expected_close_date < {{ today() }}
  union all
  select 'deal_without_owner', deal_id::varchar, title, owner_id from open_deals where owner_id is null
  union all
  select 'deal_without_contact', deal_id::varchar, title, owner_id
  from open_deals where person_id is null and organization_id is null
  union all
  select 'deal_without_value', deal_id::varchar, title, owner_id from open_deals where coalesce(value, 0) = 0
  union all
  select 'deal_of_deactivated_owner', deals.deal_id::varchar, deals.title, deals.owner_id
  from open_deals as deals inner join {{ ref('base_users') }} as users on users.id = deals.owner_id
  where not users.is_active
  union all
  select 'deal_too_long_in_stage', deals.deal_id::varchar, deals.title, deals.owner_id
  from open_deals as deals inner join stays on stays.stage_id = deals.stage_id
  cross join (select threshold from {{ ref('quality_rules') }} where rule = 'deal_too_long_in_stage') as rules
  where deals.days_in_stage > rules.threshold * stays.median_days
  union all
  select 'closed_without_close_time', deal_id::varchar, title, owner_id
  from {{ ref('deals_named') }} where status in ('won', 'lost') and won_time is null and lost_time is null
  union all
  select 'lost_without_reason', deal_id::varchar, title, owner_id
  from {{ ref('deals_named') }} where status = 'lost' and coalesce(trim(lost_reason), '') = ''
  union all
  select 'person_without_email_and_phone', id::varchar, name, owner_id
  from {{ ref('base_persons') }}
  where len(list_filter(coalesce(emails, []), lambda x: trim(x."value") <> '')) = 0
    and len(list_filter(coalesce(phones, []), lambda x: trim(x."value") <> '')) = 0
  union all
  select distinct 'same_email', persons.id::varchar, persons.name, persons.owner_id
  from mailboxes as mine inner join mailboxes as theirs on theirs.email = mine.email and theirs.id <> mine.id
  inner join {{ ref('base_persons') }} as persons on persons.id = mine.id
  union all
  select distinct 'same_organization_name', mine.id::varchar, mine.name, mine.owner_id
  from organization_names as mine
  inner join organization_names as theirs on theirs.normalised = mine.normalised and theirs.id <> mine.id
  where mine.normalised <> ''
  union all
  select 'overdue_activities_of_owner', users.id::varchar, users.name, users.id
  from {{ ref('base_users') }} as users
  inner join {{ ref('base_activities') }} as activities on activities.owner_id = users.id
  cross join (select threshold from {{ ref('quality_rules') }} where rule = 'overdue_activities_of_owner') as rules
  where not activities.is_done and activities.due_date < {{ today() }}
  group by users.id, users.name, rules.threshold having count(*) >= rules.threshold
  union all
  select 'dangling_reference', deals.id::varchar, deals.title, deals.owner_id
  from {{ ref('base_deals') }} as deals
  where (deals.stage_id is not null and deals.stage_id not in (select id from {{ ref('base_stages') }}))
    or (deals.pipeline_id is not null and deals.pipeline_id not in (select id from {{ ref('base_pipelines') }}))
    or (deals.owner_id is not null and deals.owner_id not in (select id from {{ ref('base_users') }}))
    or (deals.person_id is not null and deals.person_id not in (select id from {{ ref('base_persons') }}))
    or (deals.org_id is not null and deals.org_id not in (select id from {{ ref('base_organizations') }}))
),

now_seen as (
  select seen.*, rules.object_type
  from seen inner join {{ ref('quality_rules') }} as rules on rules.rule = seen.rule and rules.enabled
),

known as (
{% if before %}
  select rule, object_type, object_id, name, owner_id, since, resolved_at from {{ this }}
{% else %}
  select null::varchar as rule, null::varchar as object_type, null::varchar as object_id, null::varchar as name,
    null::bigint as owner_id, null::timestamptz as since, null::timestamptz as resolved_at
  where false
{% endif %}
),

findings as (
  select rule, object_type, object_id, name, owner_id, since, resolved_at from known where resolved_at is not null
  union all
  select
    coalesce(now_seen.rule, known.rule), coalesce(now_seen.object_type, known.object_type),
    coalesce(now_seen.object_id, known.object_id), coalesce(now_seen.name, known.name),
    coalesce(now_seen.owner_id, known.owner_id), coalesce(known.since, {{ as_of() }}),
    case when now_seen.rule is null then {{ as_of() }} end
  from now_seen full join (from known where resolved_at is null) as known
    on known.rule = now_seen.rule and known.object_id = now_seen.object_id
)

select
  md5(concat_ws('|', findings.rule, findings.object_id, epoch_us(findings.since))) as finding_id,
  findings.rule,
  rules.description,
  rules.severity,
  findings.object_type,
  findings.object_id,
  findings.name,
  findings.owner_id,
  users.name as owner,
  findings.since,
  findings.resolved_at
from findings
left join {{ ref('quality_rules') }} as rules on rules.rule = findings.rule
left join {{ ref('base_users') }} as users on users.id = findings.owner_id
