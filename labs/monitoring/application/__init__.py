"""A small site with a bit of everything: rooms, pages, tasks, stored sends and delayed messages."""
