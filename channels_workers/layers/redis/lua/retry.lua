-- retry.lua: send a dead letter to its channel again.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 id of the dead letter, 2 channel, 3 message id, 4 payload
-- writes   dead_letters, channel:<channel>
-- returns  1; 0 if the dead letter does not exist (any more)

local letter, channel, id, payload = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if on_key("XDEL", dead_letters, letter) == 0 then return 0 end
on_key("XADD", stream_key(channel), "*", "id", id, "payload", payload)
return 1
