-- republish.lua: publish again the pending messages of connections that a flush has deleted, or forget
-- the connections.
-- include: keys.lua epoch.lua connection.lua
--
-- KEYS[1]  prefix
-- ARGV     connections, four arguments each: reply channel, order, channel of the pending message or
--          "", its payload. Without an order, the connection is forgotten, and its server learns that.
-- reads    session:<reply>
-- writes   connections:<server>, session:<reply>, told:<reply>, channel:<name>, inbox:<server>
-- returns  "done"; a message that is still there is left alone

local function is_there(channel, entry)
  return #redis.pcall("XRANGE", stream_key(channel), entry, entry) > 0
end

local function forget(reply, record)
  if record.state == "i" or is_there(first_channel(reply), record.entry) then return end
  delete_connection(reply)
  on_key("XADD", inbox_key(server_of(reply)), "*", "e" .. reply, "")
end

local transient = transient_error("")
if transient then return transient end
for at = 1, #ARGV, 4 do
  local reply, channel, payload = ARGV[at], ARGV[at + 2], ARGV[at + 3]
  local record = read_record(reply)
  if record and record.state == "d" then channel, payload = last_channel(reply), record.disconnect_payload
  elseif record and ARGV[at + 1] == "" then forget(reply, record)
  elseif record and record.order ~= tonumber(ARGV[at + 1]) then channel = "" end
  if record and record.state ~= "i" and channel ~= "" and not is_there(channel, record.entry) then
    publish_order(reply, record, channel, payload)
  end
end
return "done"
