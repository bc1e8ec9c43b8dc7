"""Brings a Pipedrive CRM into DuckDB with Dagster, and keeps it there."""
