"""What a user installs: the wheel, what it needs, and what it lays out in an empty folder."""
