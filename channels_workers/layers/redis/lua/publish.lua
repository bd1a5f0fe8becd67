-- publish.lua: publish messages of connections, each exactly once.
-- include: keys.lua epoch.lua connection.lua delayed.lua kept.lua
--
-- KEYS[1]  prefix
-- ARGV     five for each message: channel, reply channel, a kept one as it is asked about (kept.lua),
--          order, payload, payload of the disconnect to come (with order 0 only);
--          at last the epoch that the server knows, or ""
-- reads    processes, session:<reply>, ended:<server>
-- writes   connections:<server>, channel:<channel>, kept:<reply>
-- returns  for one message its result, for more a list of them: "published"; "repeated" (it was published
--          before); "gone" (no record, or one that ends); "moved" (another server has it now);
--          "evicted" (the server is not registered); "order ..." (an error of the caller);
--          an error if data are missing

local known = #ARGV % 5 == 1 and ARGV[#ARGV] or ""
local transient = transient_error(known)
if transient then return transient end

-- A server that lives in this epoch can miss no record. So the data are older than they seem.
local function lost_or(reply)
  if known ~= "" then return redis.error_reply("LOST Redis has lost its data") end
  return reply
end

local function publish(channel, asked, order, payload, disconnect_payload)
  local reply, server, adoption = read_asked(asked)
  local record = read_record(reply)
  if record and adoption and adoption ~= adoption_of(reply) then return "moved" end

  if not record then
    server = server or server_of(reply)
    if on_key("HEXISTS", processes, server) == 0 then
      return on_key("LPOS", dead, server) and "evicted" or lost_or("evicted")
    end
    local ended = on_key("HGET", ended_key(server), reply)
    if ended == "moved" then return "moved" end
    if ended then return order == 0 and "repeated" or "gone" end  -- it has ended meanwhile
    if order ~= 0 then return lost_or("gone") end
    record = {order = -1, state = "i", code = "", entry = "", disconnect_payload = disconnect_payload}
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
end

local results = {}
for at = 1, #ARGV - 4, 5 do
  local channel, asked, order, payload, disconnect_payload = unpack(ARGV, at, at + 4)
  results[#results + 1] = publish(channel, asked, tonumber(order), payload, disconnect_payload)
end
return #results == 1 and results[1] or results
