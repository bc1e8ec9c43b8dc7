"""Everything that knows Pipedrive's API: object types, client, authentication, limits, pagination, fields."""
