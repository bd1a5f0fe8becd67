"""Kills, freezes and empties what channels_workers runs on, under load, and counts the damage."""
