"""A model of the shards of docs/explanation/shards.md, which spin checks in all its states."""
