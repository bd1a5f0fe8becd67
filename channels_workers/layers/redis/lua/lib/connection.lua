-- connection.lua: publish the messages of a connection (a part of the other scripts).
-- Needs keys.lua.

-- The channels of the first and of the last message of a connection.
local function first_channel(reply) return request_kind(reply) and "http.request" or "websocket.connect" end
local function last_channel(reply) return request_kind(reply) and "http.disconnect" or "websocket.disconnect" end

-- Publish the next message of a connection and record it as pending.
local function publish_order(reply, record, channel, payload)
  local order = tostring(record.order)
  local fields = {
    "id", reply .. ":" .. order, "reply", reply, "order", order,
    "payload", payload, "code", record.code}
  local session = on_key("GET", session_key(reply))
  if session then
    fields[#fields + 1] = "session"
    fields[#fields + 1] = session
  end
  record.entry = on_key("XADD", stream_key(channel), "*", unpack(fields))
  write_record(reply, record)
end

-- Publish the disconnect, which is the last message of a connection.
local function publish_disconnect(reply, record)
  record.order = record.order + 1
  record.state = "d"
  publish_order(reply, record, last_channel(reply), record.disconnect_payload)
end

-- A publish whose answer was lost comes again: it must find that its connection has ended. A server of
-- an older release never forgets the notes, so they expire.
local function note_end(reply, how)
  local server = server_of(reply)
  if on_key("HEXISTS", processes, server) == 1 then
    on_key("HSET", ended_key(server), reply, how)
    on_key("PEXPIRE", ended_key(server), 3600000)
  end
end

-- Go on after the pending message is finished. If the connection *ends*, no disconnect follows.
local function finish_order(reply, record, ends)
  if request_kind(reply) then redis.call("DEL", told_key(reply)) end
  if ends or record.state == "d" then
    note_end(reply, "ended")
    delete_connection(reply)
  elseif record.state == "c" then
    publish_disconnect(reply, record)
  else
    record.state = "i"
    record.entry = ""
    write_record(reply, record)
  end
end

-- Does a worker hold this message, or has one held it and perhaps begun to run it?
local function is_taken(channel, entry)
  local held = redis.pcall("XPENDING", stream_key(channel), worker_group, entry, entry, 1)
  if not held.err and #held > 0 then return true end
  local found = redis.pcall("XRANGE", stream_key(channel), entry, entry)
  if #found == 0 then return true end
  local fields = found[1][2]
  local runs = (tonumber(field_of(fields, "attempts")) or 0) + (tonumber(field_of(fields, "failures")) or 0)
  return runs > 0 or field_of(fields, "deaths") ~= nil
end

-- Delete a connection whose first message no worker has taken, and note it. Returns whether.
local function withdraw(reply, record)
  local channel = first_channel(reply)
  if record.order ~= 0 or is_taken(channel, record.entry) then return false end
  on_key("XDEL", stream_key(channel), record.entry)
  note_end(reply, "withdrawn")
  delete_connection(reply)
  return true
end

-- End a connection. Returns its new state (see close.lua).
local function close_connection(reply, record, code)
  if record.state == "c" or record.state == "d" then return "repeated" end
  record.code = code
  if record.state == "i" then
    publish_disconnect(reply, record)
    return "published"
  end
  if withdraw(reply, record) then return "withdrawn" end
  record.state = "c"
  write_record(reply, record)
  return "closing"
end
