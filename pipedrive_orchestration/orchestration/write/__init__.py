"""A write as Dagster shows it: its asset, schedule and jobs."""
