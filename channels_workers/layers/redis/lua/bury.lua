-- bury.lua: declare a process dead whose counter has stood still.
-- include: keys.lua about.lua
--
-- KEYS[1]  prefix
-- ARGV     1 process id, 2 its counter as it was seen, 0 for one that is not known (orphans.lua),
--          3 how many graves are kept
-- writes   processes, buried, remains
-- returns  1; 0 if it has pulsed since, or is not known (any more), or is known again

local process, counter, kept = ARGV[1], ARGV[2], tonumber(ARGV[3])
if counter == "0" then
  local _, former = read_about()
  if not is_unknown(process, former) then return 0 end
elseif redis.call("HGET", processes, process) ~= counter then
  return 0
end
redis.call("HDEL", processes, process)
redis.call("LPUSH", buried, process)
redis.call("LTRIM", buried, 0, kept - 1)
redis.call("SADD", prefix .. "remains", process)
return 1
