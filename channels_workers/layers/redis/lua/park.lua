-- park.lua: let a kept connection wait for its client. Its disconnect is due after the time in its name.
-- include: keys.lua epoch.lua connection.lua delayed.lua kept.lua
--
-- KEYS[1]  prefix
-- ARGV     1 reply channel, as it is asked about (kept.lua), 2 close code, 3 how many may wait,
--          4 the epoch that the server knows, or ""
-- writes   kept:<reply>, parked; for those that are too many connections:<server>,
--          channel:websocket.disconnect
-- returns  {"parked" (or "repeated": it was parked before; or "gone": no record, it ends, or another
--          server has it), how many others have ended, as too many wait}

local reply, server = read_asked(ARGV[1])
local transient = transient_error(ARGV[4])
if transient then return transient end
if has_moved(reply, server) then return {"gone", 0} end
return {park(reply, ARGV[2]), bound_parked(tonumber(ARGV[3]))}
