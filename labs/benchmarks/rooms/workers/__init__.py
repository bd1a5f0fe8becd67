"""A room on channels_workers: function consumers, a channel session, routing, no database."""
