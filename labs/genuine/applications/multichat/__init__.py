"""Many rooms on one socket."""
