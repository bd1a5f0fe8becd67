-- told.lua: which notes of what nobody can read has no log yet?
-- include: keys.lua
--
-- KEYS[1]  prefix
-- writes   told
-- returns  where each stood; they are not returned again

local told = prefix .. "told"
local last = redis.call("MGET", told)[1] or "-"
local found = redis.pcall("XRANGE", aside, last == "-" and last or "(" .. last, "+")
if found.err then  -- one of the two is none of ours
  redis.call("DEL", told)
  return {}
end
local untold = {}
for _, note in ipairs(found) do
  redis.call("SET", told, note[1])
  if field_of(note[2], "by") == "" then untold[#untold + 1] = field_of(note[2], "what") end
end
return untold
