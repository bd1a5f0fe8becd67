-- retry.lua: send a dead letter again, to the channel that it came from.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 id of the dead letter, 2 channel, 3 message id, 4 payload
-- writes   dead, channel:<channel>
-- returns  1; 0 if there is no such letter (any more)

local letter, channel, id, payload = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if on_key("XDEL", dead, letter) == 0 then return 0 end
on_key("XADD", stream_key(channel), "*", "id", id, "payload", payload)
return 1
