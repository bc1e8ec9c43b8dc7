{{ config(enabled=has('deals') and has('pipelines')) }}
{%- set parts = ['new', 'reopened', 'moved_in', 'value_up', 'value_down', 'won', 'lost', 'moved_out', 'deleted'] %}
-- What comes into the open deals of a pipeline and currency, and what goes. Deals that are deleted by now are in,
-- and leave as deleted.
with versions as (
  select
    deal_id, version_nr, valid_from, valid_to, status, pipeline_id, coalesce(currency, '') as currency,
    coalesce(value, 0) as value, add_time, known_from, is_ended_by_deletion,
    coalesce(lag(valid_to) over deal = valid_from, false) and coalesce(lag(status) over deal = 'open', false)
      as was_open,
    lag(pipeline_id) over deal as pipeline_before,
    lag(coalesce(currency, '')) over deal as currency_before,
    lag(coalesce(value, 0)) over deal as value_before
  from {{ ref('deal_versions') }}
  window deal as (partition by deal_id order by valid_from)
),

entered as (
  select
    valid_from as instant, pipeline_id, currency, value as amount, 1 as deals,
    case
      when version_nr > 1 then 'reopened'
      when known_from > add_time then 'known'
      else 'new'
    end as part
  from versions where status = 'open' and not was_open
),

-- A deal that is won or lost with a new value has had that value just before.
changed as (
  select *, pipeline_id is distinct from pipeline_before or currency <> currency_before as is_moved
  from versions where was_open
),

moved as (
  select valid_from as instant, pipeline_id, currency, value as amount, 1 as deals, 'moved_in' as part
  from changed where is_moved
  union all
  select valid_from, pipeline_before, currency_before, value_before, -1, 'moved_out' from changed where is_moved
  union all
  select valid_from, pipeline_id, currency, abs(value - value_before), 0,
    case when value > value_before then 'value_up' else 'value_down' end
  from changed where not is_moved and value <> value_before
),

gone as (
  select valid_from as instant, pipeline_id, currency, value as amount, -1 as deals, status as part
  from versions where was_open and status in ('won', 'lost')
  union all
  select valid_to, pipeline_id, currency, value, -1, 'deleted'
  from versions where status = 'open' and is_ended_by_deletion
),

steps as (
  select *, {{ local_month("instant") }} as month
  from (select * from entered union all by name select * from moved union all by name select * from gone)
  where instant < {{ as_of() }}
),

months_of_steps as (
  select
    pipeline_id, currency, month,
    {% for part in parts -%}
    coalesce(sum(amount) filter (where part = '{{ part }}'), 0) as "{{ part }}",
    {% endfor -%}
    coalesce(sum(amount) filter (where part = 'known'), 0) as known,
    coalesce(sum(deals) filter (where part = 'known'), 0) as known_deals,
    sum(deals) as deals
  from steps group by all
),

months as (
  select keys.pipeline_id, keys.currency,
    unnest(generate_series(keys.first_month, date_trunc('month', {{ today() }})::date, interval 1 month))::date as month
  from (
    select pipeline_id, currency, min(month) as first_month
    from months_of_steps group by all
  ) as keys
),

summed as (
  select
    months.pipeline_id, months.currency, months.month,
    {% for part in parts -%}
    coalesce(steps."{{ part }}", 0) as "{{ part }}",
    {% endfor -%}
    coalesce(steps.known, 0) as known,
    coalesce(steps.known_deals, 0) as known_deals,
    coalesce(steps.deals, 0) as deals,
    sum(coalesce(steps.known + steps.new + steps.reopened + steps.moved_in + steps.value_up - steps.value_down
      - steps.won - steps.lost - steps.moved_out - steps.deleted, 0)) over so_far as closing,
    sum(coalesce(steps.deals, 0)) over so_far as closing_deals
  from months left join months_of_steps as steps using (pipeline_id, currency, month)
  window so_far as (partition by months.pipeline_id, months.currency order by months.month)
)

select
  summed.month,
  summed.pipeline_id,
  pipelines.name as pipeline,
  nullif(summed.currency, '') as currency,
  -- Deals that became known within the month, where their beginning is not known, were there before.
  closing - new - reopened - moved_in - value_up + value_down + won + lost + moved_out + deleted as opening,
  {% for part in parts -%}
  "{{ part }}",
  {% endfor -%}
  closing,
  {{ in_base('closing', 'summed.currency', "least(last_day(summed.month), " ~ today() ~ ")") }} as closing_base,
  (closing_deals - deals + known_deals)::bigint as opening_deals,
  closing_deals::bigint as closing_deals,
  known.known_from
from summed
cross join {{ ref('base_known') }} as known
left join {{ ref('base_pipelines') }} as pipelines on pipelines.id = summed.pipeline_id
where summed.month >= {{ local_month('known.known_from') }}
