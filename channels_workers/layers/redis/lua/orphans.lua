-- orphans.lua: find processes that hold messages and are not known.
-- include: keys.lua about.lua
--
-- KEYS[1]  prefix
-- writes   nothing
-- returns  their ids
--
-- A worker that was called dead pulls under its old name until it learns of that; a new one may pull
-- before it is registered. If it dies meanwhile, nobody else looks for what it pulled.

local channels, former = read_about()
local orphans, seen = {}, {}
for channel in pairs(channels) do
  local held = redis.pcall("XPENDING", stream_key(channel), worker_group)
  for _, consumer in ipairs(not held.err and held[4] or {}) do
    local process = string.match(consumer[1], "^(.+)%.[^.]*$")
    if process and not seen[process] then
      seen[process] = true
      if is_unknown(process, former) then orphans[#orphans + 1] = process end
    end
  end
end
return orphans
