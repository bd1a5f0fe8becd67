"""What shards cost each Redis, and how long a message takes to another one."""
