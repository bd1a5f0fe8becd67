-- orphans.lua: find unknown processes that hold messages.
-- include: keys.lua process_info.lua
--
-- KEYS[1]  prefix
-- writes   nothing
-- returns  their ids
--
-- A worker may pull under its old id until it learns that it was declared dead. A new worker may
-- pull before it is registered. If one of them dies meanwhile, nothing else finds what it pulled.

local channels, previous_ids = read_all_process_info()
local orphans, seen = {}, {}
for channel in pairs(channels) do
  local held = redis.pcall("XPENDING", stream_key(channel), worker_group)
  for _, consumer in ipairs(not held.err and held[4] or {}) do
    local process = process_of(consumer[1])
    if process and not seen[process] then
      seen[process] = true
      if is_unknown(process, previous_ids) then orphans[#orphans + 1] = process end
    end
  end
end
return orphans
