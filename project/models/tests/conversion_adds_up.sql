{{ config(enabled=has('deals') and has('stages') and has('pipelines') and has('users')) }}
select * from {{ ref('stage_conversion') }}
where entries <> advanced + back + handed_over + won + lost + still_there
