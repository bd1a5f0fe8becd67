-- publish.lua: publish one message of a connection, exactly once.
-- include: keys.lua epoch.lua connection.lua delayed.lua kept.lua
--
-- KEYS[1]  prefix
-- ARGV     1 channel, 2 reply channel, a kept one as it is asked about (kept.lua), 3 order, 4 payload,
--          5 payload of the disconnect to come (with order 0 only), 6 the epoch that the server knows, or ""
-- reads    processes, session:<reply>, ended:<server>
-- writes   connections:<server>, channel:<channel>, kept:<reply>
-- returns  "published"; "repeated" (it was published before); "gone" (no record, or one that ends);
--          "moved" (another server has it now); "evicted" (the server is not registered);
--          "order ..." (an error of the caller)

local channel, order, payload = ARGV[1], tonumber(ARGV[3]), ARGV[4]
local reply, server = read_asked(ARGV[2])
local transient = transient_error(ARGV[6])
if transient then return transient end

-- A server that lives in this epoch can miss no record. So the data are older than they seem.
local function lost_or(reply)
  if ARGV[6] and ARGV[6] ~= "" then return redis.error_reply("LOST Redis has lost its data") end
  return reply
end

if has_moved(reply, server) then return "moved" end
local record = read_record(reply)

if not record then
  server = server or server_of(reply)
  if on_key("HEXISTS", processes, server) == 0 then
    return on_key("LPOS", dead, server) and "evicted" or lost_or("evicted")
  end
  local ended = on_key("HGET", ended_key(server), reply)
  if ended == "moved" then return "moved" end
  if ended then return order == 0 and "repeated" or "gone" end  -- it has ended meanwhile
  if order ~= 0 then return lost_or("gone") end
  record = {order = -1, state = "i", code = "", entry = "", disconnect_payload = ARGV[5]}
end
if order <= record.order and record.state ~= "d" then return "repeated" end
if record.state == "c" or record.state == "d" then return "gone" end  -- it was cleaned up after
if record.state ~= "i" or order ~= record.order + 1 then
  return lost_or("order " .. order .. " cannot follow " .. record.order .. " (" .. record.state .. ")")
end

record.order = order
record.state = "b"
publish_order(reply, record, channel, payload)
if channel == "websocket.resume" then on_key("HINCRBY", kept_key(reply), "resumes", 1) end
return "published"
