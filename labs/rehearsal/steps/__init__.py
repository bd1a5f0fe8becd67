"""What is rehearsed, one step or a few that belong together in each module."""
