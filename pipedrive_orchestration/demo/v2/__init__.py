"""The v2 endpoints: cursor paging, strict parameters, PATCH."""
