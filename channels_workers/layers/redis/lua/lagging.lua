-- lagging.lua: return the servers that do not keep up with their inbox.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 limit of entries, 2 limit of bytes
-- reads    processes, inbox:<server>
-- returns  process id, counter, process id, counter ...

local entries, bytes = tonumber(ARGV[1]), tonumber(ARGV[2])
local found = {}
local known = on_key("HGETALL", processes)
for at = 1, #known, 2 do
  local inbox = inbox_key(known[at])
  if on_key("XLEN", inbox) > entries
    or (redis.call("MEMORY", "USAGE", inbox) or 0) > bytes then
    found[#found + 1] = known[at]
    found[#found + 1] = known[at + 1]
  end
end
return found
