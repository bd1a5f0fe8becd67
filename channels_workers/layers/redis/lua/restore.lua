-- restore.lua: register a server again, with some of its connections, after Redis lost its data.
-- include: keys.lua epoch.lua log.lua marks.lua connection.lua
--
-- KEYS[1]  prefix
-- ARGV     1 server, 2 epoch, 3 its info, as JSON, 4 "first" or "", with several shards followed by
--          what it has heard of their logs, "first <shard>:<epoch>:<seq> ...",
--          5 "last" or "", 6 its groups, separated by spaces,
--          7... connections, seven arguments each: reply channel, order,
--          channel of the pending message or "", its payload, payload of its disconnect,
--          session or "", close code or ""
-- writes   processes, process_info, connections:<server>, stale_connections:<server>, session:<reply>,
--          told:<reply>, ended:<server>, channel:<name>, group:<name>, groups:<server>, inbox:<server>,
--          marks, processed
-- returns  "done"; "evicted" (it was declared dead)
--
-- Old data, such as those of a snapshot, are kept if they agree with the server, and deleted if not.
--
-- The mark of another shard becomes the lowest of what the servers have heard that return during the
-- recovery, and of a snapshot: the streams of that have no more. After the recovery it does not go
-- back, as ordinary channels would get messages twice: a server that has heard less notes a gap.

local server, known, description, first, last = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local stale = prefix .. "stale_connections:" .. server

if on_key("GET", epoch) ~= known then
  return redis.error_reply("LOST Redis has lost its data once more")
end
if on_key("LPOS", dead, server) then return "evicted" end

local function begin()
  on_key("HSET", processes, server, 1)
  on_key("HSET", process_info, server, description)
  for _, group in ipairs(on_key("SMEMBERS", groups_key(server))) do
    on_key("HDEL", group_key(group), server)
  end
  redis.call("DEL", groups_key(server), inbox_key(server), ended_key(server))
  if redis.call("EXISTS", connections_key(server)) == 1 then
    redis.call("RENAME", connections_key(server), stale)
  end
  know_others(known)  -- shards
  note_all_heard(server, known, first)  -- shards
end

local function is_there(channel, record)
  return #redis.pcall("XRANGE", stream_key(channel), record.entry, record.entry) > 0
end

local function restore_message(reply, record, old, channel, payload)
  record.state = "b"
  if old and old.order == record.order and old.state ~= "i" and is_there(channel, old) then
    record.entry = old.entry
    write_record(reply, record)
  else
    publish_order(reply, record, channel, payload)
  end
end

local function restore_connection(reply, order, channel, payload, disconnect_payload, session, code)
  local old = parse_record(on_key("HGET", stale, reply))
  on_key("HDEL", stale, reply)
  if session == "" then redis.call("DEL", session_key(reply))
  else redis.call("SET", session_key(reply), session) end
  local ends = last_channel(reply)
  if code ~= "" and old and old.state == "d" and old.order > order and is_there(ends, old) then
    write_record(reply, old)
    return
  end
  local record = {
    order = order, state = "i", code = "", entry = "", disconnect_payload = disconnect_payload}
  if channel == "" then write_record(reply, record)
  else restore_message(reply, record, old, channel, payload) end
  if code ~= "" then close_connection(reply, record, code) end
end

if first ~= "" then begin() else on_key("HINCRBY", processes, server, 1) end  -- each part is a heartbeat
for group in string.gmatch(ARGV[6], "%S+") do
  on_key("HSET", group_key(group), server, "restored")
  on_key("SADD", groups_key(server), group)
end
for at = 7, #ARGV, 7 do
  restore_connection(ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2], ARGV[at + 3], ARGV[at + 4],
    ARGV[at + 5], ARGV[at + 6])
end
-- Forget a connection that the server does not know any more. A request may have run, so it must not
-- wait for a worker.
local function forget(reply)
  if is_kept(reply) then
    if server_of(reply) ~= server then return end  -- another server has it, and restores it
    delete_connection(reply)
  end
  redis.call("DEL", session_key(reply), told_key(reply))
  local old = parse_record(on_key("HGET", stale, reply))
  if old and old.order == 0 and old.entry ~= "" and request_kind(reply) then
    acknowledge(first_channel(reply), old.entry)
  end
end

if last ~= "" then
  for _, reply in ipairs(on_key("HKEYS", stale)) do forget(reply) end
  redis.call("DEL", stale)
end
return "done"
