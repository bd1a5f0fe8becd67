-- forget_shard.lua: forget another shard that is gone for good: its log, and what it needs of ours.
-- include: keys.lua epoch.lua log.lua marks.lua
--
-- KEYS[1]  prefix
-- ARGV     1 shard
-- writes   processed, marks
-- returns  1; 0 if it was not known

local known = on_key("HDEL", processed, ARGV[1])
return math.max(known, on_key("HDEL", marks, ARGV[1]))
