-- read_delayed.lua: return delayed messages, in the order of their due times.
-- include: keys.lua delayed.lua
--
-- KEYS[1]  prefix
-- ARGV     1 how many at most
-- reads    delayed, delayed_messages
-- returns  {how many there are; message id, due time and value (delayed.lua) of each}

local found = {on_key("ZCARD", delayed)}
local entries = on_key("ZRANGE", delayed, 0, ARGV[1] - 1, "WITHSCORES")
for at = 1, #entries, 2 do
  found[#found + 1] = entries[at]
  found[#found + 1] = entries[at + 1]
  found[#found + 1] = on_key("HGET", delayed_messages, entries[at]) or ""
end
return found
