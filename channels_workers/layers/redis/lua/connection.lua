-- connection.lua: put a message of a connection into its stream (a part of the other scripts).
-- Needs keys.lua.

-- Publish the next message of a connection and note it as the one under way.
local function publish_order(reply, record, channel, payload)
  local fields = {
    "id", reply .. ":" .. record.order, "reply", reply, "order", record.order,
    "payload", payload, "code", record.code}
  local session = redis.call("GET", session_key(reply))
  if session then
    fields[#fields + 1] = "session"
    fields[#fields + 1] = session
  end
  record.entry = redis.call("XADD", stream_key(channel), "*", unpack(fields))
  write_record(reply, record)
end

-- Publish the disconnect, the last message of a connection.
local function publish_disconnect(reply, record)
  record.order = record.order + 1
  record.state = "d"
  publish_order(reply, record, "websocket.disconnect", record.info)
end
