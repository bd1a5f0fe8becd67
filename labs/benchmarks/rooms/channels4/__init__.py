"""A room on Channels 4, as its tutorial has it: an async consumer class and a group."""
