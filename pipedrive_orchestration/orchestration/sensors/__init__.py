"""Sensors: first imports, expiration, freshness and the published copy."""
