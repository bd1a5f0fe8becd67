-- begin_mark.lua: set the first mark of another shard, which this one begins to hear.
-- include: keys.lua epoch.lua log.lua marks.lua
--
-- KEYS[1]  prefix
-- ARGV     1 shard, 2 epoch of its log, 3 seq
-- writes   marks
-- returns  1; 0 if there is a mark already

if mark_of(ARGV[1]) then return 0 end
set_mark(ARGV[1], ARGV[2], tonumber(ARGV[3]), 0, "", "")
return 1
