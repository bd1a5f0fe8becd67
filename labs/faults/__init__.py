"""Kills, freezes and empties the processes of a site under load, and counts the damage."""
