-- save_session.lua: save a channel session now, if its connection lives.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 reply channel, 2 session
-- writes   session:<reply>, inbox:<server>
-- returns  1 if it was saved, else 0

local reply, session = ARGV[1], ARGV[2]
if on_key("HEXISTS", connections_key(server_of(reply)), reply) == 0 then return 0 end
redis.call("SET", session_key(reply), session)
on_key("XADD", inbox_key(server_of(reply)), "*", "k" .. reply, session)
return 1
