{# Exact, so that sums close to the cent; empty where a value does not fit. #}
{% macro money(value) -%}
  try_cast({{ value }} as decimal(28, 4))
{%- endmacro %}

{# The value times the probability of the deal, else of its stage where the pipeline has probability switched
   on, else 100 %. Which of the first two wins at Pipedrive itself is not documented. #}
{% macro weighted(value, probability, stage_probability, pipeline_uses_probability) -%}
  {{ value }} * (coalesce({{ probability }}, case when {{ pipeline_uses_probability }}
    then {{ stage_probability }} end, 100) / 100)::decimal(6, 4)
{%- endmacro %}

{# A sum of one currency in the base currency, by the newest rate of that day; empty where none is known. The
   column of the currency has to be named with its table. #}
{% macro in_base(value, currency, day) -%}
  {{ value }}::double * (
    select arg_max(rates.rate_to_base, rates.valid_from) from {{ ref('currency_rates') }} as rates
    where rates.currency = {{ currency }} and rates.valid_from <= {{ day }}
  )
{%- endmacro %}

{# A ratio; empty over nothing. #}
{% macro ratio(part, whole) -%}
  {{ part }}::double / nullif({{ whole }}::double, 0)
{%- endmacro %}
