"""Models as Dagster assets."""
