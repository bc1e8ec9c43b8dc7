"""A workflow in Dagster: its assets, their automation and their metadata."""
