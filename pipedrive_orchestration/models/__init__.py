"""Models: SQL over what the sources have imported, built by dbt.

`dbt_project` makes the project folder's ``models/`` into a dbt project that knows the project's sources,
`dbt` runs dbt on it, and `build` does so beside the warehouse and swaps the results in.
"""
