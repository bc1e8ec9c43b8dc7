"""Sensors: first imports, expiration, freshness, the published copy and alerts."""
