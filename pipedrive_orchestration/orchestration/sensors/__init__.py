"""Sensors: first imports, expiration, freshness, the published copy, alerts and retention."""
