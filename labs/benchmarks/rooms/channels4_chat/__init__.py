"""The chat's room on Channels 4: the pages, the models and the write are those of `chat`."""
