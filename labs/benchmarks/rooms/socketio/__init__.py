"""A room on python-socketio, with its Redis manager."""
