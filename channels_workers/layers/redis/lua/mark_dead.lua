-- mark_dead.lua: declare a process dead whose counter has stood still.
-- include: keys.lua about.lua
--
-- KEYS[1]  prefix
-- ARGV     1 process id, 2 its counter as it was seen, 0 for one that is not known (orphans.lua),
--          -1 for one that is no number, 3 how many graves are kept
-- writes   processes, buried, remains
-- returns  1; 0 if it has sent a heartbeat since, or is not known (any more), or is known again

local process, counter, kept = ARGV[1], ARGV[2], tonumber(ARGV[3])
if counter == "0" then
  local _, former = read_about()
  if not is_unknown(process, former) then return 0 end
else
  local stored = on_key("HGET", processes, process)
  if stored and not is_counter(stored) then stored = "-1" end
  if stored ~= counter then return 0 end
end
on_key("HDEL", processes, process)
on_key("LPUSH", buried, process)
on_key("LTRIM", buried, 0, kept - 1)
on_key("SADD", prefix .. "remains", process)
return 1
