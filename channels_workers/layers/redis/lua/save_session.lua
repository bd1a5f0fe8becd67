-- save_session.lua: save a channel session now, if its connection lives.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 reply channel, 2 session
-- reads    processes, connections:<server>
-- writes   session:<reply>, inbox:<server>
-- returns  1 if it was saved, else 0

local reply, session = ARGV[1], ARGV[2]
local server = server_of(reply)
if on_key("HEXISTS", connections_key(server), reply) == 0 then return 0 end
redis.call("SET", session_key(reply), session)
if on_key("HEXISTS", processes, server) == 1 then  -- else nobody would delete the inbox again
  on_key("XADD", inbox_key(server), "*", "k" .. reply, session)
end
return 1
