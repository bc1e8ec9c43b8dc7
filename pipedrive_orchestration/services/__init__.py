"""Services that Dagster, the HTTP API and the command line share.

Their life and status, their token budget, the runs that import them, and the deployment they live in.
"""
