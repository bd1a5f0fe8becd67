-- keys.lua: names of keys and the form of a connection record (a part of the other scripts).
--
-- KEYS[1]  prefix of every key, with the format version: "<prefix>:<version>:"
--
-- A connection record is "<order>:<state>:<code>:<entry>:<disconnect payload>":
--   order  order of the pending message, or of the last one
--   state  i idle, b busy, c busy and closing, d disconnect pending
--   code   close code, once the connection closes
--   entry  id of the pending stream entry
--   disconnect payload  payload of the disconnect to come (opaque)

local prefix = KEYS[1]
local processes = prefix .. "processes"
local process_info = prefix .. "process_info"
local dead = prefix .. "dead"
local awaiting_cleanup = prefix .. "awaiting_cleanup"
local dead_letters = prefix .. "dead_letters"
local epoch = prefix .. "epoch"
local aside = prefix .. "aside"
local parked = prefix .. "parked"
local quarantined = prefix .. "quarantined"
local worker_group = "workers"
local notes_kept = 100

-- An entry with more field names and values than this is foreign.
local most_fields = 64

-- Keep a note of unreadable data: where they stood, and how they begin. *by* is the process that has
-- logged them, or "".
local function note_aside(what, value, by)
  local note = {"XADD", aside, "MAXLEN", notes_kept, "*", "what", string.sub(what, 1, 200),
    "value", string.sub(value, 1, 1000), "by", by or ""}
  if type(redis.pcall(unpack(note))) == "string" then return end
  redis.pcall("DEL", aside)
  redis.pcall(unpack(note))  -- the script goes on even if this fails
end

local function set_key_aside(key)
  local name = string.sub(key, #prefix + 1)
  note_aside("key " .. name, "a " .. redis.call("TYPE", key).ok)
  redis.call("RENAME", key, aside .. ":" .. name)
end

-- Run a command on a key. A key of a foreign type, or a stream that does not take the id, is set aside
-- first: an error in the middle of a script would leave half of its writes.
local function on_key(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if type(reply) ~= "table" or not reply.err then return reply end
  for _, part in ipairs({"WRONGTYPE", "exhausted", "equal or smaller"}) do
    if string.find(reply.err, part, 1, true) then set_key_aside(key) end
  end
  return redis.call(command, key, ...)
end

-- Is this a heartbeat counter?
local function is_counter(text) return #text < 16 and string.find(text, "^%d+$") ~= nil end

local function stream_key(channel) return prefix .. "channel:" .. channel end
local function inbox_key(server) return prefix .. "inbox:" .. server end
local function group_key(group) return prefix .. "group:" .. group end
local function groups_key(server) return prefix .. "groups:" .. server end
local function session_key(reply) return prefix .. "session:" .. reply end
local function connections_key(server) return prefix .. "connections:" .. server end
local function told_key(reply) return prefix .. "told:" .. reply end
local function ended_key(server) return prefix .. "ended:" .. server end
local function kept_key(reply) return prefix .. "kept:" .. reply end

-- Is this the reply channel of a kept connection, "<server>!kept.<seconds>.<random>"?
local function is_kept(reply) return string.find(reply, "!kept.", 1, true) ~= nil end

-- The server of "<server>!<random>", or nil for the name of an ordinary channel. A kept connection may be
-- at another server than it began at.
local function server_of(channel)
  local server = string.match(channel, "^([^!]+)!")
  if server and is_kept(channel) then return on_key("HGET", kept_key(channel), "server") or server end
  return server
end

-- The kind of a request, which stands in its reply channel "<server>!<kind>.<random>": "safe" (it may
-- run again) or "once". Returns nil for a socket.
local function request_kind(reply)
  local kind = string.match(reply, "^[^!]+!(%l+)%.")
  return (kind == "safe" or kind == "once") and kind or nil
end

-- Returns nil if *raw* is no record.
local function parse_record(raw)
  local order, state, code, entry, payload = string.match(
    raw or "", "^(%d+):([ibcd]):(%d*):([%d-]*):(.*)$")
  if not order or #order > 15 or #code > 15 then return nil end
  return {order = tonumber(order), state = state, code = code, entry = entry,
          disconnect_payload = payload}
end

local function delete_connection(reply)
  on_key("HDEL", connections_key(server_of(reply)), reply)
  if is_kept(reply) then
    redis.call("DEL", kept_key(reply))
    on_key("ZREM", parked, reply)
  end
  redis.call("DEL", session_key(reply), told_key(reply))
end

-- Returns nil without a record. An unreadable record is set aside.
local function read_record(reply)
  local server = server_of(reply)
  if not server then return nil end
  local raw = on_key("HGET", connections_key(server), reply)
  local record = parse_record(raw)
  if raw and not record then
    note_aside("connection " .. reply, raw)
    delete_connection(reply)
  end
  return record
end

local function write_record(reply, record)
  on_key("HSET", connections_key(server_of(reply)), reply,
    record.order .. ":" .. record.state .. ":" .. record.code .. ":" .. record.entry .. ":"
      .. record.disconnect_payload)
end

-- The value of a field of a stream entry, or nil.
local function field_of(fields, name)
  for at = 1, #fields, 2 do
    if fields[at] == name then return fields[at + 1] end
  end
  return nil
end

-- The process of the consumer "<process>.<thread>", or nil for another name.
local function process_of(consumer) return string.match(consumer, "^(.+)%.[^.]*$") end

-- Does this consumer still hold this entry? (XACK does not check the consumer.)
local function is_pending_for(channel, entry, consumer)
  local found = redis.pcall(
    "XPENDING", stream_key(channel), worker_group, entry, entry, 1, consumer)
  return found.err == nil and #found == 1
end

local function acknowledge(channel, entry)
  on_key("XACK", stream_key(channel), worker_group, entry)
  on_key("XDEL", stream_key(channel), entry)
end

-- Acknowledge several deliveries, {channel, entry} each.
local function acknowledge_all(deliveries)
  local entries = {}
  for _, delivery in ipairs(deliveries) do
    local key = stream_key(delivery[1])
    entries[key] = entries[key] or {}
    table.insert(entries[key], delivery[2])
  end
  for key, found in pairs(entries) do
    on_key("XACK", key, worker_group, unpack(found))
    on_key("XDEL", key, unpack(found))
  end
end
