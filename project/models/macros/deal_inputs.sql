{# What the versions of deals are made from, and what tells whether any of it has changed. #}

{# Deals that are there or were there, as far as versions need to know it of them. #}
{% macro kept_deals() -%}
  select
    _id as deal_id,
    coalesce(add_time, _first_imported_at) as add_time,
    coalesce(_removal = 'archived', false) as is_archived,
    coalesce(_removal = 'deleted', false) as is_deleted,
    -- A deal that was added after the first import was seen soon after it was added.
    coalesce(add_time, _first_imported_at) >= min(_first_imported_at) over () as is_seen_from_its_beginning
  from (
    {{ rows_of(source('pipedrive', var('deals')), {
      '_id': 'bigint', 'add_time': 'timestamptz', '_first_imported_at': 'timestamptz', '_is_current': 'boolean',
      '_removal': 'varchar'
    }) }}
  )
  where _is_current or _removal in ('archived', 'deleted')
{%- endmacro %}

{# The states in which deals were seen: the versions of a source with `history`, else the rows as they are. #}
{% macro seen_deals() -%}
  {%- set columns = {
    '_id': 'bigint', 'status': 'varchar', 'pipeline_id': 'bigint', 'stage_id': 'bigint',
    'owner_id': 'bigint', 'value': 'double', 'currency': 'varchar', 'probability': 'double',
    'expected_close_date': 'date', 'stage_change_time': 'timestamptz', 'won_time': 'timestamptz',
    'lost_time': 'timestamptz', 'close_time': 'timestamptz'
  } -%}
  {%- set history = load_relation(source('pipedrive_history', var('deals'))) if execute else none -%}
  {%- if history -%}
    {{ rows_of(source('pipedrive_history', var('deals')), dict(columns, _valid_from='timestamptz', _valid_to='timestamptz')) }}
  {%- else -%}
    select
      * exclude (_update_time, _first_imported_at, _removal, _removed_at),
      coalesce(_update_time, _first_imported_at) as _valid_from,
      case when _removal = 'deleted' then greatest(_removed_at, _update_time) end as _valid_to
    from (
      {{ rows_of(source('pipedrive', var('deals')), dict(columns, _update_time='timestamptz',
        _first_imported_at='timestamptz', _removal='varchar', _removed_at='timestamptz')) }}
    )
  {%- endif -%}
{%- endmacro %}

{# The changes of deals that versions are made from. #}
{% macro told_changes() -%}
  select * from (
    {{ rows_of(source('pipedrive', var('deal_changes')), {
      '_id': 'varchar', '_parent_id': 'bigint', 'field_key': 'varchar', 'old_value': 'varchar',
      'time': 'timestamptz'
    }) }}
  )
  where time is not null and field_key in (
    'status', 'stage_id', 'pipeline_id', 'user_id', 'owner_id', 'value', 'currency', 'probability',
    'expected_close_date'
  )
{%- endmacro %}

{# The pipeline of each stage, which tells that of a deal at the time of a change. #}
{% macro pipelines_of_stages() -%}
  select _id as id, pipeline_id from (
    {{ rows_of(source('pipedrive', var('stages')), {'_id': 'bigint', 'pipeline_id': 'bigint'}) }}
  )
{%- endmacro %}

{# For each deal a number that is another one when anything has changed that its versions are made from. #}
{% macro deal_inputs() -%}
  select
    kept.deal_id,
    hash(
      kept.add_time, kept.is_archived, kept.is_deleted, kept.is_seen_from_its_beginning,
      states.rows, states.hashes
      {%- if has('deal_changes') %}, changes.rows, changes.hashes{% endif %}
      {%- if has('stages') %}, (select sum(hash(stages)) from ({{ pipelines_of_stages() }}) as stages){% endif %}
    ) as input_hash
  from ({{ kept_deals() }}) as kept
  left join (
    select _id, count(*) as rows, sum(hash(seen)) as hashes from ({{ seen_deals() }}) as seen group by _id
  ) as states on states._id = kept.deal_id
  {%- if has('deal_changes') %}
  left join (
    select _parent_id, count(*) as rows, sum(hash(told)) as hashes from ({{ told_changes() }}) as told
    group by _parent_id
  ) as changes on changes._parent_id = kept.deal_id
  {%- endif %}
{%- endmacro %}

{# Takes the deals out of the table whose versions are not what they would be now, so that it makes them anew. #}
{% macro forget_changed_deals() -%}
  {%- if is_incremental() -%}
    delete from {{ this }} where (deal_id, input_hash) not in (
      select (deal_id, input_hash) from ({{ deal_inputs() }})
    )
  {%- endif -%}
{%- endmacro %}
