"""Everything that knows Pipedrive's API: catalogue, client, limits, paging, fields."""
