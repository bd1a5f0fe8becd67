-- publish.lua: publish one message of a connection, exactly once.
-- include: keys.lua epoch.lua connection.lua
--
-- KEYS[1]  prefix
-- ARGV     1 channel, 2 reply channel, 3 order, 4 payload,
--          5 payload of the disconnect to come (with order 0 only), 6 the epoch that the server knows, or ""
-- reads    processes, session:<reply>, ended:<server>
-- writes   connections:<server>, channel:<channel>
-- returns  "published"; "repeated" (it was published before); "gone" (no record, or one that ends);
--          "evicted" (the server is not registered); "order ..." (an error of the caller)

local channel, reply, order, payload = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local transient = transient_error(ARGV[6])
if transient then return transient end

-- A server that lives in this epoch can miss no record. So the data are older than they seem.
local function lost_or(reply)
  if ARGV[6] and ARGV[6] ~= "" then return redis.error_reply("LOST Redis has lost its data") end
  return reply
end

local record = read_record(reply)

if not record then
  if on_key("HEXISTS", processes, server_of(reply)) == 0 then
    local is_dead = on_key("LPOS", dead, server_of(reply))
    return is_dead and "evicted" or lost_or("evicted")
  end
  if on_key("HEXISTS", ended_key(server_of(reply)), reply) == 1 then  -- it has ended meanwhile
    return order == 0 and "repeated" or "gone"
  end
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
return "published"
