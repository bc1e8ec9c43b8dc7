"""The filter of a source, compiled to SQL over typed records, and to what Pipedrive can filter itself."""
