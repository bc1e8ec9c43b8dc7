"""The state of the demo account: its records, fields and the rules by which they change."""
