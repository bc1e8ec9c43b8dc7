"""Events that Pipedrive sends by itself: the inbox that keeps them, what they say, and their merge."""
