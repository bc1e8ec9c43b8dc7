{{ config(
  enabled=has('deals'), materialized='incremental', incremental_strategy='append', on_schema_change='fail',
  pre_hook=["{{ forget_changed_deals() }}"], meta={'groups': ['deal_id', 'input_hash']}
) }}
-- What each deal was like, from when to when. Versions of the source with `history` come first; what was before
-- the first of them is told by the changes of the deal, where they are imported; and nothing else is taken for
-- known. Of a source without `history` the row itself is the only version, since it is so from its last update.
-- A build goes on from the table of the one before: it takes out the deals of which anything has changed that the
-- versions are made from, and makes those anew. `dbt build --full-refresh` makes all of them.
with kept as (
  {{ kept_deals() }}
),

inputs as (
  {{ deal_inputs() }}
),

wanted as (
  select * from inputs
  {% if is_incremental() %}where deal_id not in (select deal_id from {{ this }}){% endif %}
),

seen as (
  {{ seen_deals() }}
),

versions as (
  select
    kept.deal_id,
    kept.add_time,
    kept.is_deleted,
    kept.is_seen_from_its_beginning,
    wanted.input_hash,
    seen.* exclude (_id, _valid_from, _valid_to, value, won_time, lost_time, close_time, stage_change_time),
    {{ money('seen.value') }} as value,
    seen.stage_change_time is null as has_never_moved,
    coalesce(seen.stage_change_time, kept.add_time) as entered_at,
    case seen.status
      when 'won' then coalesce(seen.won_time, seen.close_time)
      when 'lost' then coalesce(seen.lost_time, seen.close_time)
    end as closed_at,
    seen._valid_from as valid_from,
    -- Archiving a deal is no end of it.
    case when kept.is_archived and row_number() over (partition by kept.deal_id order by seen._valid_from desc) = 1
      then null else seen._valid_to end as valid_to,
    row_number() over (partition by kept.deal_id order by seen._valid_from) as number
  from seen inner join kept on kept.deal_id = seen._id inner join wanted on wanted.deal_id = kept.deal_id
  where seen._valid_to is null or seen._valid_to > seen._valid_from
),

firsts as (
  select * from versions where number = 1
),

{% if has('deal_changes') %}
changes_found as (
  {{ told_changes() }}
),

-- Only what lies before the first version, and what led to it.
changes as (
  select
    found._parent_id as deal_id,
    case found.field_key when 'user_id' then 'owner_id' else found.field_key end as field,
    nullif(found.old_value, '') as old_value,
    found.time as at,
    found._id as change_id
  from changes_found as found inner join firsts on firsts.deal_id = found._parent_id
  where found.time <= firsts.valid_from
),

moments as (
  select deal_id, add_time as at from firsts
  where add_time < valid_from and deal_id in (select deal_id from changes)
  union
  select changes.deal_id, changes.at
  from changes inner join firsts using (deal_id)
  where changes.at < firsts.valid_from and changes.at > firsts.add_time
),

-- The value at a moment is the old one of the next change, or that of the first version if none comes.
told as (
  select
    moments.deal_id,
    moments.at,
    {% for field in ['status', 'stage_id', 'pipeline_id', 'owner_id', 'value', 'currency', 'probability',
                     'expected_close_date'] -%}
    arg_min({'old': changes.old_value}, (changes.at, changes.change_id))
      filter (where changes.field = '{{ field }}' and changes.at > moments.at) as {{ field }},
    {% endfor -%}
    max(changes.at) filter (where changes.field = 'stage_id' and changes.at <= moments.at) as entered_at
  from moments left join changes on changes.deal_id = moments.deal_id
  group by all
),

earlier as (
  select
    firsts.deal_id,
    firsts.add_time,
    firsts.is_deleted,
    firsts.input_hash,
    case when told.status is null then firsts.status else told.status.old end as status,
    case when told.pipeline_id is null then firsts.pipeline_id
      else try_cast(told.pipeline_id.old as bigint) end as pipeline_id,
    case when told.stage_id is null then firsts.stage_id
      else try_cast(told.stage_id.old as bigint) end as stage_id,
    case when told.owner_id is null then firsts.owner_id
      else try_cast(told.owner_id.old as bigint) end as owner_id,
    case when told.value is null then firsts.value else {{ money('told.value.old') }} end as value,
    case when told.currency is null then firsts.currency else told.currency.old end as currency,
    case when told.probability is null then firsts.probability
      else try_cast(told.probability.old as double) end as probability,
    case when told.expected_close_date is null then firsts.expected_close_date
      else try_cast(told.expected_close_date.old as date) end as expected_close_date,
    coalesce(told.entered_at, firsts.add_time) as entered_at,
    told.at as valid_from,
    lead(told.at, 1, firsts.valid_from) over (partition by told.deal_id order by told.at) as valid_to
  from told inner join firsts using (deal_id)
),

-- Changes are imported of deals that ever moved. One that did not has been in its stage since it was added, and
-- was open there until it was closed; its value and owner are taken to have been what they were when first seen.
resting as (
  select *, case when status in ('won', 'lost') then greatest(least(closed_at, valid_from), add_time) else add_time end
    as begun_at
  from firsts
  where has_never_moved and not is_seen_from_its_beginning and add_time < valid_from
    and deal_id not in (select deal_id from changes) and (status = 'open' or closed_at is not null)
),
{% endif %}

joined as (
  select
    deal_id, add_time, is_deleted, input_hash, status, pipeline_id, stage_id, owner_id, value, currency,
    probability, expected_close_date, entered_at, closed_at, valid_to,
    -- Who was seen from its beginning was so from its beginning.
    case when number = 1 and is_seen_from_its_beginning
      {%- if has('deal_changes') %} and deal_id not in (select deal_id from changes){% endif %}
      then least(add_time, valid_from)
      {%- if has('deal_changes') %}
      when number = 1 and deal_id in (select deal_id from resting)
      then (select begun_at from resting where resting.deal_id = versions.deal_id)
      {%- endif %} else valid_from end as valid_from
  from versions
{% if has('deal_changes') %}
  union all by name
  select
    deal_id, add_time, is_deleted, input_hash, 'open' as status, pipeline_id, stage_id, owner_id, value, currency,
    probability, expected_close_date, add_time as entered_at, null::timestamptz as closed_at, begun_at as valid_to,
    add_time as valid_from
  from resting where status <> 'open' and begun_at > add_time
  union all by name
  select
    * exclude (pipeline_id),
    coalesce(stages.pipeline_id, earlier.pipeline_id) as pipeline_id,
    case when earlier.status in ('won', 'lost') then earlier.valid_from end as closed_at
  from earlier
  {% if has('stages') %}left join ({{ pipelines_of_stages() }}) as stages
    on stages.id = earlier.stage_id
  {% else %}cross join (select null::bigint as pipeline_id) as stages{% endif %}
{% endif %}
),

ordered as (
  select
    *,
    lead(valid_from) over deal as next_from,
    min(valid_from) over (partition by deal_id) as first_from
  from joined
  where status <> 'deleted'
  window deal as (partition by deal_id order by valid_from)
)

select
  deal_id,
  row_number() over (partition by deal_id order by valid_from) as version_nr,
  valid_from,
  valid_to,
  status,
  pipeline_id,
  stage_id,
  owner_id,
  value,
  currency,
  probability,
  expected_close_date,
  least(entered_at, valid_from) as entered_at,
  closed_at,
  add_time,
  valid_to is not null and (next_from is null or next_from > valid_to) as is_ended_by_deletion,
  is_deleted,
  greatest(add_time, first_from) as known_from,
  input_hash
from ordered
