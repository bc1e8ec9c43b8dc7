{{ config(enabled=has('deals') and has('pipelines')) }}
-- A month opens with what the month before closed with.
with months as (
  select *, lag(closing) over (partition by pipeline_id, currency order by month) as closed_before
  from {{ ref('pipeline_waterfall') }}
)

select * from months where closed_before <> opening
