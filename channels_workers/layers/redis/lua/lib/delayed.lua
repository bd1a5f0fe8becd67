-- delayed.lua: messages that wait for their time (a part of the other scripts).
-- Needs keys.lua.
--
-- delayed maps the id of each message to its due time, in microseconds since 1970 by the clock of
-- Redis. delayed_messages maps it to "<capacity of its channel>:<channel>:<payload>".

local delayed = prefix .. "delayed"
local delayed_messages = prefix .. "delayed_messages"

-- Microseconds since 1970.
local function now()
  local seconds, microseconds = unpack(redis.call("TIME"))
  return tonumber(seconds) * 1000000 + tonumber(microseconds)
end

local function set_due(id, due) on_key("ZADD", delayed, string.format("%.0f", due), id) end
