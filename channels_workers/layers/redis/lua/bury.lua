-- bury.lua: declare a process dead whose counter has stood still.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 process id, 2 its counter as it was seen, 3 how many graves are kept
-- writes   processes, buried, remains
-- returns  1; 0 if it has pulsed since, or is not known (any more)

local process, counter, kept = ARGV[1], ARGV[2], tonumber(ARGV[3])
if redis.call("HGET", processes, process) ~= counter then return 0 end
redis.call("HDEL", processes, process)
redis.call("LPUSH", buried, process)
redis.call("LTRIM", buried, 0, kept - 1)
redis.call("SADD", prefix .. "remains", process)
return 1
