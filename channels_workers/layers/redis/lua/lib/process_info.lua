-- process_info.lua: what processes have published about themselves (a part of the other scripts).
-- Needs keys.lua.

-- Returns the names in a list as a set; anything else in it is ignored.
local function names_in(list)
  local names = {}
  for _, name in pairs(type(list) == "table" and list or {}) do
    if type(name) == "string" then names[name] = true end
  end
  return names
end

-- Returns the kind of a process, the channels it listens to and its previous ids. Returns nil if the
-- process published nothing. An unreadable value is set aside.
local function read_process_info(process)
  local text = on_key("HGET", process_info, process)
  if not text then return nil end
  local is_json, info = pcall(cjson.decode, text)
  if is_json and type(info) == "table" and type(info.channels) == "table" then
    return {kind = info.kind, channels = names_in(info.channels),
            previous_ids = names_in(info.previous_ids)}
  end
  note_aside("process_info " .. process, text)
  on_key("HDEL", process_info, process)
end

-- Returns the channels that any process listens to, and the previous ids of all processes.
local function read_all_process_info()
  local channels, previous_ids = {}, {}
  for _, process in ipairs(on_key("HKEYS", process_info)) do
    local info = read_process_info(process) or {channels = {}, previous_ids = {}}
    for channel in pairs(info.channels) do channels[channel] = true end
    for name in pairs(info.previous_ids) do previous_ids[name] = true end
  end
  return channels, previous_ids
end

-- Is this process neither registered, nor awaiting cleanup, nor among *previous_ids*?
local function is_unknown(process, previous_ids)
  return not previous_ids[process] and on_key("HEXISTS", processes, process) == 0
    and on_key("SISMEMBER", awaiting_cleanup, process) == 0
end
