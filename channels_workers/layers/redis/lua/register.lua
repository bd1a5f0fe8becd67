-- register.lua: make a process known, so that connections, joins and sends may name it.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 process id, 2 what is to be known about it, as JSON
-- writes   processes, about, epoch
-- returns  the epoch

redis.call("HSETNX", processes, ARGV[1], 1)
redis.call("HSET", about, ARGV[1], ARGV[2])
redis.call("SETNX", prefix .. "epoch", 1)
return tonumber(redis.call("GET", prefix .. "epoch"))
