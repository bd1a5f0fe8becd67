"""The chat's room on Channels 4, with the pages, models and database write of `chat`."""
