-- workers.lua: return the heartbeat counters of the workers that take sockets.
-- include: keys.lua process_info.lua
--
-- KEYS[1]  prefix
-- reads    processes, process_info
-- returns  process id, counter, process id, counter ...

local found = {}
local known = on_key("HGETALL", processes)
for at = 1, #known, 2 do
  local info = read_process_info(known[at])
  if info and info.channels["websocket.connect"] then
    found[#found + 1] = known[at]
    found[#found + 1] = known[at + 1]
  end
end
return found
