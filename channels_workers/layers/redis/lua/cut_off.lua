-- cut_off.lua: return the processes whose lifelines are cut.
-- include: keys.lua epoch.lua lifelines.lua
--
-- KEYS[1]  prefix
-- writes   lifelines
-- returns  process, counter, process, counter ...

local found = {}
local held = on_key("HGETALL", lifelines)
for at = 1, #held, 2 do
  local process = held[at]
  if is_cut(process, held[at + 1]) then
    local counter = on_key("HGET", processes, process)
    if counter then
      found[#found + 1] = process
      found[#found + 1] = counter
    else
      on_key("HDEL", lifelines, process)
    end
  end
end
return found
