{{ config(enabled=has('deals')) }}
-- Since when the state of every deal is known: the latest beginning of those that were not seen from their own.
select
  coalesce(max(known_from) filter (where known_from > add_time), min(add_time)) as known_from,
  coalesce(bool_or(known_from > add_time), false) as has_gap
from {{ ref('deal_versions') }}
