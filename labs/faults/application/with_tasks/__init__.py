"""The rooms again, where each message becomes a task, and the task sends to the room."""
