"""A room on the packages of 2017: function consumers, a channel session in Redis, routing."""
