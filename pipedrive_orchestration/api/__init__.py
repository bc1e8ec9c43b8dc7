"""The HTTP API: thin, over what the other folders do."""
