-- lifeline.lua: note that a process holds a lifeline, or that it holds none any more.
-- include: keys.lua epoch.lua lifelines.lua
--
-- KEYS[1]  prefix
-- ARGV     1 process id, 2 run id of the Redis behind its lifeline, or "" without one
-- writes   lifelines
-- returns  1; 0 if the process is not registered

if ARGV[2] == "" then
  on_key("HDEL", lifelines, ARGV[1])
  return 1
end
if on_key("HEXISTS", processes, ARGV[1]) == 0 then return 0 end
on_key("HSET", lifelines, ARGV[1], ARGV[2])
return 1
