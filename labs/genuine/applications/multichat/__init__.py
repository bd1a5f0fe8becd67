"""Many rooms over one socket."""
