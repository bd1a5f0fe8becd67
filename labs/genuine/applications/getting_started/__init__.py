"""The steps of a first chat: everybody, rooms, users, order, and the HTTP session."""
