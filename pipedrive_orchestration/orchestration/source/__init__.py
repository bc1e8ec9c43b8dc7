"""A source in Dagster: its asset, checks, schedule and what its runs report."""
