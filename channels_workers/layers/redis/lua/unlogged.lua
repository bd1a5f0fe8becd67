-- unlogged.lua: find notes of unreadable data that no process has logged yet.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- writes   aside_logged
-- returns  where each of them stood; the next call does not return them again

local aside_logged = prefix .. "aside_logged"
local last = redis.call("MGET", aside_logged)[1] or "-"
local found = redis.pcall("XRANGE", aside, last == "-" and last or "(" .. last, "+")
if found.err then  -- foreign data in one of the two keys
  redis.call("DEL", aside_logged)
  return {}
end
local unlogged = {}
for _, note in ipairs(found) do
  redis.call("SET", aside_logged, note[1])
  if field_of(note[2], "by") == "" then unlogged[#unlogged + 1] = field_of(note[2], "what") end
end
return unlogged
