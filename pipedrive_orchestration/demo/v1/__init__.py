"""The v1 endpoints that are still alive: offset paging, flat custom fields."""
