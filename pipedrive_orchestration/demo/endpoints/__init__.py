"""What answers the operations: reads and writes of records and fields, searches, merges, recents."""
