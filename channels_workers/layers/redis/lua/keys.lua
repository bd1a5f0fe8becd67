-- keys.lua: names of keys and the form of a connection record (a part of the other scripts).
--
-- KEYS[1]  prefix of every key, with the format version: "<prefix>:<version>:"
--
-- A connection record is "<order>:<state>:<code>:<entry>:<info>":
--   order  order of the message under way, or of the last one
--   state  i idle, b busy, c busy and closing, d disconnect under way
--   code   closing code, once the connection closes
--   entry  id of the stream entry under way
--   info   payload of the websocket.disconnect that will come (opaque)

local prefix = KEYS[1]
local processes = prefix .. "processes"
local buried = prefix .. "buried"
local about = prefix .. "about"
local dead = prefix .. "dead"
local epoch = prefix .. "epoch"
local worker_group = "workers"

local function stream_key(channel) return prefix .. "channel:" .. channel end
local function inbox_key(server) return prefix .. "inbox:" .. server end
local function group_key(group) return prefix .. "group:" .. group end
local function groups_key(server) return prefix .. "groups:" .. server end
local function session_key(reply) return prefix .. "session:" .. reply end
local function connections_key(server) return prefix .. "connections:" .. server end

-- The server of "<server>!<random>", or nil for the name of an ordinary channel.
local function server_of(channel) return string.match(channel, "^([^!]+)!") end

local function parse_record(raw)
  if not raw then return nil end
  local order, state, code, entry, info = string.match(raw, "^(%d+):(%a):(%d*):([^:]*):(.*)$")
  return {order = tonumber(order), state = state, code = code, entry = entry, info = info}
end

local function read_record(reply)
  return parse_record(redis.call("HGET", connections_key(server_of(reply)), reply))
end

local function write_record(reply, record)
  redis.call("HSET", connections_key(server_of(reply)), reply,
    record.order .. ":" .. record.state .. ":" .. record.code .. ":" .. record.entry .. ":"
      .. record.info)
end

local function delete_connection(reply)
  redis.call("HDEL", connections_key(server_of(reply)), reply)
  redis.call("DEL", session_key(reply))
end

-- The value of a field of a stream entry, or nil.
local function field_of(fields, name)
  for at = 1, #fields, 2 do
    if fields[at] == name then return fields[at + 1] end
  end
end

-- Is this entry delivered to this consumer and not yet acknowledged? (XACK alone does not ask.)
local function is_pending_for(channel, entry, consumer)
  local found = redis.pcall(
    "XPENDING", stream_key(channel), worker_group, entry, entry, 1, consumer)
  return found.err == nil and #found == 1
end

local function acknowledge(channel, entry)
  redis.call("XACK", stream_key(channel), worker_group, entry)
  redis.call("XDEL", stream_key(channel), entry)
end
