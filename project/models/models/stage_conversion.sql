{{ config(enabled=has('deals') and has('stages') and has('pipelines') and has('users')) }}
with stays as (
  select *, {{ local_month('entered_at') }} as month
  from {{ ref('deal_stage_history') }}
  where not is_deleted
),

reached as (
  select
    stays.*,
    stays.left_by = 'won' or exists (
      select 1 from stays as later
      where later.deal_id = stays.deal_id and later.stay_nr > stays.stay_nr
        and later.pipeline_id = stays.pipeline_id
        and (later.stage_order > stays.stage_order or (later.stage_id = stays.stage_id and later.left_by = 'won'))
    ) as reached_next
  from stays
)

select
  pipeline_id,
  any_value(pipeline) as pipeline,
  stage_id,
  any_value(stage) as stage,
  any_value(stage_order) as stage_order,
  month,
  count(*) as entries,
  count(*) filter (where left_by = 'advanced') as advanced,
  count(*) filter (where left_by = 'back') as back,
  count(*) filter (where left_by = 'other pipeline') as handed_over,
  count(*) filter (where left_by = 'won') as won,
  count(*) filter (where left_by = 'lost') as lost,
  count(*) filter (where left_by = 'still there') as still_there,
  count(*) filter (where reached_next) as reached_next,
  {{ ratio('count(*) filter (where reached_next)', 'count(*)') }} as conversion,
  median(days) as median_days,
  avg(days) as mean_days,
  any_value(known.known_from) as known_from
from reached
cross join (select known_from from {{ ref('base_known') }}) as known
group by pipeline_id, stage_id, month
