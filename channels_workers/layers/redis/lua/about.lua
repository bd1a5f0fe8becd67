-- about.lua: what processes have told about themselves (a part of the other scripts).
-- Needs keys.lua.

-- Returns those of a list that are names, as a set.
local function names_in(list)
  local names = {}
  for _, name in pairs(type(list) == "table" and list or {}) do
    if type(name) == "string" then names[name] = true end
  end
  return names
end

-- Returns what a process told: its kind, the channels that it listens to, and the names that it had
-- before. Nil for one that told nothing; what cannot be read is set aside.
local function read_told(process)
  local text = on_key("HGET", about, process)
  if not text then return nil end
  local is_json, told = pcall(cjson.decode, text)
  if is_json and type(told) == "table" and type(told.channels) == "table" then
    return {kind = told.kind, channels = names_in(told.channels), former = names_in(told.previous_ids)}
  end
  note_aside("about " .. process, text)
  on_key("HDEL", about, process)
end

-- Returns the channels that any of them listens to, and all names that they had before.
local function read_about()
  local channels, former = {}, {}
  for _, process in ipairs(on_key("HKEYS", about)) do
    local told = read_told(process) or {channels = {}, former = {}}
    for channel in pairs(told.channels) do channels[channel] = true end
    for name in pairs(told.former) do former[name] = true end
  end
  return channels, former
end

-- Is this process neither registered, nor dead and not cleaned up after yet, nor one of *former*?
local function is_unknown(process, former)
  return not former[process] and on_key("HEXISTS", processes, process) == 0
    and on_key("SISMEMBER", prefix .. "remains", process) == 0
end
