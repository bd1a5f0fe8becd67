-- close.lua: end a connection; exactly one websocket.disconnect follows its last message.
-- include: keys.lua connection.lua
--
-- KEYS[1]  prefix
-- ARGV     1 reply channel, 2 closing code
-- reads    session:<reply>
-- writes   connections:<server>, channel:websocket.disconnect, channel:websocket.connect
-- returns  "published" (the connection was idle); "closing" (the commit of the message under way
--          will publish it); "withdrawn" (no worker had taken the connect: nothing of it is left);
--          "repeated"; "gone" (no record)

local reply, code = ARGV[1], ARGV[2]
local record = read_record(reply)

if not record then return "gone" end
if record.state == "c" or record.state == "d" then return "repeated" end
record.code = code

if record.state == "i" then
  publish_disconnect(reply, record)
  return "published"
end

if record.order == 0 then
  local connects = stream_key("websocket.connect")
  local taken = redis.pcall("XPENDING", connects, worker_group, record.entry, record.entry, 1)
  if taken.err or #taken == 0 then
    redis.call("XDEL", connects, record.entry)
    delete_connection(reply)
    return "withdrawn"
  end
end
record.state = "c"
write_record(reply, record)
return "closing"
