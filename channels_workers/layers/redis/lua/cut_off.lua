-- cut_off.lua: return the processes whose lifelines are cut.
-- include: keys.lua epoch.lua lifelines.lua
--
-- KEYS[1]  prefix
-- writes   lifelines
-- returns  process, counter, process, counter ...

local run_id = on_key("GET", run) or ""
local found = {}
local held = on_key("HGETALL", lifelines)
for at = 1, #held, 2 do
  local process = held[at]
  if held[at + 1] == run_id and is_cut(process) then
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
