"""The rooms, each a group with history."""
