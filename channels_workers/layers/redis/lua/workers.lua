-- workers.lua: which workers that take sockets are known, and what are their pulse counters?
-- include: keys.lua
--
-- KEYS[1]  prefix
-- reads    processes, about
-- returns  process id, counter, process id, counter ...

local function takes_sockets(known)
  for _, channel in ipairs(known.channels) do
    if channel == "websocket.connect" then return true end
  end
end

local found = {}
local known = redis.call("HGETALL", processes)
for at = 1, #known, 2 do
  local text = redis.call("HGET", about, known[at])
  if text and takes_sockets(cjson.decode(text)) then
    found[#found + 1] = known[at]
    found[#found + 1] = known[at + 1]
  end
end
return found
