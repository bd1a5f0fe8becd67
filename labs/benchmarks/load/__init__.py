"""The load: clients that talk in rooms and count the echoes. A process of its own."""
