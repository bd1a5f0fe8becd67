-- tell.lua: keep a payload for the consumer of a request; trim the inbox of its server.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 reply channel, 2 payload, 3 id of the last inbox entry that the server processed, or "",
--          4 the epoch in which it did
-- writes   told:<reply>, inbox:<server>
-- returns  1, or 0 if the request has ended
--
-- Without the trim, a long response would stay in the inbox until the next heartbeat.

local reply, payload, entry = ARGV[1], ARGV[2], ARGV[3]
local server = server_of(reply)
if entry ~= "" and on_key("GET", epoch) == ARGV[4] then
  on_key("XTRIM", inbox_key(server), "MINID", entry)
  on_key("XDEL", inbox_key(server), entry)
end
if on_key("HEXISTS", connections_key(server), reply) == 0 then return 0 end
on_key("RPUSH", told_key(reply), payload)
on_key("PEXPIRE", told_key(reply), 60000)
return 1
