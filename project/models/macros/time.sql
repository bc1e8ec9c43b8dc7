{# The instant that ages are counted to: the variable, else what a build says, else the present one. Files are
   not read for it, so that dbt need not read them anew for each build. #}
{% macro as_of() -%}
  {%- set told = env_var("PIPEDRIVE_AS_OF", "") if execute else "" -%}
  '{{ var("as_of") or told or run_started_at.isoformat() }}'::timestamptz
{%- endmacro %}

{# The day of the report's zone in which that instant lies. #}
{% macro today() -%}
  {{ local_day(as_of()) }}
{%- endmacro %}

{# An instant as the clocks of the report's zone show it. #}
{% macro local(instant) -%}
  timezone('{{ var("report_zone") }}', {{ instant }})
{%- endmacro %}

{% macro local_day(instant) -%}
  ({{ local(instant) }})::date
{%- endmacro %}

{% macro local_month(instant) -%}
  date_trunc('month', {{ local(instant) }})::date
{%- endmacro %}

{# The Monday of the week. #}
{% macro local_week(instant) -%}
  date_trunc('week', {{ local(instant) }})::date
{%- endmacro %}

{# Days between two instants, with fractions. #}
{% macro days_between(earlier, later) -%}
  (epoch({{ later }}) - epoch({{ earlier }})) / 86400.0
{%- endmacro %}
