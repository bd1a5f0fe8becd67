-- adopt.lua: let a server go on with a kept connection, in one step.
-- include: keys.lua epoch.lua log.lua lifelines.lua join.lua connection.lua delayed.lua history.lua kept.lua outbox.lua
--
-- KEYS[1]  prefix
-- ARGV     1 reply channel, 2 server, 3 id of this adoption, 4 how many frames its client has,
--          5 id of the adoption by which the server believes to have it already, "" if it is its first
--          server, or "none", 6 the epoch that the server knows, or ""
-- reads    processes, process_info, lifelines, session:<reply>
-- writes   kept:<reply>, parked, connections:<server>, channel:websocket.disconnect, inbox:<server>,
--          ended:<server>, group:<name>, groups:<server>
-- returns  {"adopted", order, channel of the pending message or "", its payload, payload of the disconnect
--          to come, session or "", 1 if it has one, how many frames came from the client, the server before
--          or "" if that is dead or cut off, the adoption by which that had it or "", 1 if a worker hears of it}; {"gone"} (no record, or it ends);
--          {"old"} (a process of an older release would not find it); {"evicted"} (the server is not
--          registered)
--
-- A second run of the same adoption has no further effect.

local reply, server, id, has = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local mine, known = ARGV[5], ARGV[6]
local transient = transient_error(known)
if transient then return transient end
if on_key("HEXISTS", processes, server) == 0 then
  if on_key("LPOS", dead, server) or not known or known == "" then return {"evicted"} end
  return redis.error_reply("LOST Redis has lost its data")
end

local record = read_record(reply)
if not record then return {"gone"} end
local parked_with, adoption, resumes =
  unpack(on_key("HMGET", kept_key(reply), "parked", "adoption", "resumes"))
local by, former, before = string.match(adoption or "", "^(%x+):([%w-]*):(%x*)$")

-- Take back that it ends, if no worker has its disconnect. Returns whether it goes on.
local function go_on()
  if record.state ~= "c" and record.state ~= "d" then return true end
  if not parked_with then return false end
  if record.state == "d" then
    if is_taken("websocket.disconnect", record.entry) then return false end
    on_key("XDEL", stream_key("websocket.disconnect"), record.entry)
    record.order, record.state, record.entry = record.order - 1, "i", ""
  else record.state = "b" end
  record.code = ""
  return true
end

local function move()
  former, before = server_of(reply), by or ""
  if former == server and before == mine then id = mine end
  if former ~= server then note_end(reply, "moved") end
  local plan = new_plan()
  on_key("HDEL", connections_key(former), reply)
  local told = former ~= server and is_alive(plan, former) and former
  if former ~= server and is_cut(former, on_key("HGET", lifelines, former)) then former = "" end
  if not is_alive(plan, former) then former = "" end
  if id ~= mine then
    on_key("HSET", kept_key(reply), "server", server, "adoption", id .. ":" .. former .. ":" .. before)
  end
  unpark(reply)
  write_record(reply, record)
  for _, field in ipairs(on_key("HKEYS", kept_key(reply))) do
    if string.sub(field, 1, 1) == "g" then plan_join(plan, string.sub(field, 2), reply) end
  end
  if told then
    plan_inbox(plan, told, "m" .. reply, server .. ":" .. has .. ":" .. before)
  end
  write_outbox(plan)
end

-- Returns channel and payload of the pending message.
local function pending_message()
  if record.state ~= "b" then return "", "" end
  for _, channel in ipairs({"websocket.receive", "websocket.resume", "websocket.connect"}) do
    local found = redis.pcall("XRANGE", stream_key(channel), record.entry, record.entry)
    local fields = not found.err and #found > 0 and found[1][2]
    if fields and field_of(fields, "reply") == reply then
      return channel, field_of(fields, "payload") or ""
    end
  end
  return "", ""
end

local all_know, is_heard = look_at_processes()
if by ~= id then
  if not all_know then return {"old"} end
  if not go_on() then return {"gone"} end
  move()
end
local channel, payload = pending_message()
local session = on_key("GET", session_key(reply))
return {"adopted", record.order, channel, payload, record.disconnect_payload, session or "",
  session and 1 or 0, math.max(0, record.order - (tonumber(resumes) or 0)), former, before, is_heard and 1 or 0}
