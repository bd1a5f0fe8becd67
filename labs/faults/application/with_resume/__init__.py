"""The rooms, whose sockets can be resumed."""
