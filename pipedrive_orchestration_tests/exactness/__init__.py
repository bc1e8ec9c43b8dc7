"""An import is exact: after changes stop and one more pull, the table equals the account's truth."""
