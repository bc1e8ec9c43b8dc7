{# SQL of a source's rows with the columns that are named, each of the type that is given for it.
   What the source does not have is empty, and a source that has not been imported yet has no rows. #}
{% macro rows_of(relation, columns) -%}
  {%- set there = load_relation(relation) if execute else none -%}
  {%- if there -%}
    {%- set found = adapter.get_columns_in_relation(there) | map(attribute='name') | list -%}
    select
    {%- for name, type in columns.items() %}
      {{ '"' ~ name ~ '"' if name in found else 'null' }}::{{ type }} as "{{ name }}"
      {%- if not loop.last %},{% endif %}
    {%- endfor %}
    from {{ relation }}
  {%- else -%}
    select
    {%- for name, type in columns.items() %}
      null::{{ type }} as "{{ name }}"{% if not loop.last %},{% endif %}
    {%- endfor %}
    where false
  {%- endif -%}
{%- endmacro %}

{# Whether a source that a variable names is there. #}
{% macro has(name) -%}
  {{ return(var(name, none) not in (none, '')) }}
{%- endmacro %}
