"""The calls of the HTTP API, a module for each group of them."""
