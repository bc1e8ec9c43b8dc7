{{ config(enabled=has('deals') and has('stages') and has('pipelines') and has('users')) }}
-- Stays begin and end with the instants that the deal itself tells: the last move, the win or the loss.
with versions as (
  select
    *,
    coalesce(lag(valid_to) over deal = valid_from, false) as follows,
    coalesce(lead(valid_from) over deal = valid_to, false) as is_followed,
    lag(status) over deal as status_before,
    lag(stage_id) over deal as stage_before,
    lag(pipeline_id) over deal as pipeline_before,
    lag(valid_from) over deal as from_before,
    lead(status) over deal as status_after,
    lead(stage_id) over deal as stage_after,
    lead(pipeline_id) over deal as pipeline_after,
    lead(valid_from) over deal as from_after,
    lead(entered_at) over deal as entered_after,
    lead(closed_at) over deal as closed_after
  from {{ ref('deal_versions') }}
  window deal as (partition by deal_id order by valid_from)
),

edges as (
  select
    *,
    not (follows and status_before = 'open' and stage_before = stage_id and pipeline_before = pipeline_id) as begins,
    not (is_followed and status_after = 'open' and stage_after = stage_id and pipeline_after = pipeline_id) as ends
  from versions
  where status = 'open'
),

numbered as (
  select *, sum(begins::int) over (partition by deal_id order by valid_from) as stay_nr
  from edges
),

stays as (
  select
    deal_id,
    stay_nr,
    pipeline_id,
    stage_id,
    is_deleted,
    known_from,
    arg_min(owner_id, valid_from) as owner_id,
    arg_min(
      case
        when version_nr = 1 then entered_at
        when follows and status_before = 'open' then greatest(entered_at, from_before)
        else valid_from
      end, valid_from
    ) as entered_at,
    arg_max(
      case
        when valid_to is null then null
        when is_followed and status_after = 'open' then greatest(least(entered_after, valid_to), valid_from)
        when is_followed then greatest(least(coalesce(closed_after, valid_to), valid_to), valid_from)
        else valid_to
      end, valid_from
    ) filter (where ends and valid_to is not null) as left_at,
    arg_max(
      case
        when valid_to is null then 'still there'
        when is_followed then case when status_after = 'open' then 'moved' else status_after end
        else 'deleted'
      end, valid_from
    ) as left_how
  from numbered
  group by all
),

-- Of a deal that was closed before it was first seen, the last stay is what the deal tells itself.
told as (
  select
    deal_id, 0 as stay_nr, pipeline_id, stage_id, is_deleted, known_from, owner_id, entered_at,
    closed_at as left_at, status as left_how
  from versions
  where version_nr = 1 and status in ('won', 'lost') and closed_at > entered_at
),

all_stays as (
  select * from stays
  union all by name
  select * from told
),

compared as (
  select
    all_stays.*,
    stages.order_nr as stage_order,
    lead(all_stays.pipeline_id) over deal as next_pipeline_id,
    lead(stages.order_nr) over deal as next_order
  from all_stays left join {{ ref('base_stages') }} as stages on stages.id = all_stays.stage_id
  window deal as (partition by all_stays.deal_id order by all_stays.stay_nr)
)

select
  compared.deal_id,
  row_number() over (partition by compared.deal_id order by compared.stay_nr) as stay_nr,
  compared.pipeline_id,
  pipelines.name as pipeline,
  compared.stage_id,
  stages.name as stage,
  compared.stage_order,
  compared.entered_at,
  compared.left_at,
  {{ days_between('compared.entered_at', 'coalesce(compared.left_at, ' ~ as_of() ~ ')') }} as days,
  case
    when compared.left_how <> 'moved' then compared.left_how
    when compared.next_pipeline_id <> compared.pipeline_id then 'other pipeline'
    when compared.next_order < compared.stage_order then 'back'
    else 'advanced'
  end as left_by,
  compared.owner_id,
  users.name as owner,
  compared.is_deleted,
  compared.known_from
from compared
left join {{ ref('base_pipelines') }} as pipelines on pipelines.id = compared.pipeline_id
left join {{ ref('base_stages') }} as stages on stages.id = compared.stage_id
left join {{ ref('base_users') }} as users on users.id = compared.owner_id
