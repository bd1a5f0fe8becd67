-- open_history.lua: begin the history of a group on its home shard, before another one copies it.
-- include: keys.lua epoch.lua log.lua delayed.lua history.lua
--
-- KEYS[1]  prefix
-- ARGV     1 group, 2 limits (history.lua), 3 seed of a new epoch
-- writes   histories, history_order, history:<group>
-- returns  its epoch while it has no message, else "": a copy that begins now misses some

local group = ARGV[1]

local transient = transient_error("")
if transient then return transient end
local history = read_history(group, ARGV[3])
if history.begins then write_history({[group] = true}, group, history, read_limits(ARGV[2])) end
return history.last == 0 and history.name or ""
