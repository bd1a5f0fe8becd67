-- prune_kept.lua: delete what a flush leaves of a kept connection, unless a living server has it.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 reply channel
-- writes   kept:<reply>, session:<reply>, parked
-- returns  "done"

local reply = ARGV[1]
local server = server_of(reply)
if server and on_key("HEXISTS", processes, server) == 1
  and on_key("HEXISTS", connections_key(server), reply) == 1 then return "done" end
delete_connection(reply)
return "done"
