-- about.lua: what processes have told about themselves (a part of the other scripts).
-- Needs keys.lua.

-- Returns the channels that any of them listens to, and all names that they had before.
local function read_about()
  local channels, former = {}, {}
  for _, text in ipairs(redis.call("HVALS", about)) do
    local known = cjson.decode(text)
    for _, channel in ipairs(known.channels) do channels[channel] = true end
    for _, name in ipairs(known.formerly or {}) do former[name] = true end
  end
  return channels, former
end

-- Is this process neither registered, nor dead and not cleaned up after yet, nor one of *former*?
local function is_unknown(process, former)
  return not former[process] and redis.call("HEXISTS", processes, process) == 0
    and redis.call("SISMEMBER", prefix .. "remains", process) == 0
end
