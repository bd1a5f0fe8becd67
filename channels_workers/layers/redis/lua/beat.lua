-- beat.lua: raise the counter of a server that Redis knows, and do nothing else.
-- include: keys.lua epoch.lua
--
-- KEYS[1]  prefix
-- ARGV     1 server, 2 the epoch that it knows, 3 its counter as it knows it
-- writes   processes
-- returns  1; 0 if the server must look what has happened, by heartbeat.lua

local stored = on_key("HGET", processes, ARGV[1])
if not stored or not is_counter(stored) or tonumber(stored) < tonumber(ARGV[3]) then return 0 end
if on_key("GET", epoch) ~= ARGV[2] then return 0 end
on_key("HINCRBY", processes, ARGV[1], 1)
return 1
