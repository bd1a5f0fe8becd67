-- workers.lua: which workers that take sockets are known, and what are their heartbeat counters?
-- include: keys.lua about.lua
--
-- KEYS[1]  prefix
-- reads    processes, about
-- returns  process id, counter, process id, counter ...

local found = {}
local known = on_key("HGETALL", processes)
for at = 1, #known, 2 do
  local told = read_told(known[at])
  if told and told.channels["websocket.connect"] then
    found[#found + 1] = known[at]
    found[#found + 1] = known[at + 1]
  end
end
return found
