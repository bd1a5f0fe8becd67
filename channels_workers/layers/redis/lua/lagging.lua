-- lagging.lua: which servers do not keep up with their inbox?
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 entries that one may hold, 2 bytes that it may hold
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
