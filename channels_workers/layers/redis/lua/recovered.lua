-- recovered.lua: end a recovery. All processes had the time to register again.
-- include: keys.lua epoch.lua
--
-- KEYS[1]  prefix
-- ARGV     1 the epoch
-- writes   recovering, recovered
-- returns  1; 0 if it had ended already

if on_key("GET", recovering) ~= ARGV[1] then return 0 end
redis.call("DEL", recovering)
redis.call("SET", recovered, ARGV[1])
return 1
