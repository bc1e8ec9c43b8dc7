"""Changes to Pipedrive: of one record, and of whole tables by a plan that is read, applied and undone."""
