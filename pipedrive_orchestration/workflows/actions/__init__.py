"""Actions on the rows of a workflow: the consumer of its queue, and each type of action."""
