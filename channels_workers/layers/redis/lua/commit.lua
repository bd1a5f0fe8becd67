-- commit.lua: finish deliveries. For each: acknowledge it, save the channel session, publish the outbox
-- and release the connection: all of it, or nothing. All of them share one inbox entry per server.
-- include: keys.lua epoch.lua log.lua connection.lua join.lua delayed.lua history.lua outbox.lua
--
-- KEYS[1]  prefix
-- ARGV     for each delivery: the number of its arguments, then these:
--          1 channel, 2 entry, 3 consumer, 4 message id,
--          5 reply channel of the connection that waits for this delivery, or "", 6 its order,
--          7 reply channel of the session to save, or "", 8 that session,
--          9 "ends" if the connection ends with this, without a disconnect, or "",
--          10... operations (outbox.lua). One whose operations may be refused by a full channel comes
--          alone: what is planned for one is planned for all.
-- writes   channel:<channel>, session:<reply>, connections:<server>, told:<reply>, inbox:<server>,
--          ended:<server>, group:<name>, groups:<server>, delayed, delayed_messages, histories,
--          history_order, history:<group>, log:<epoch>, logs
-- returns  for each delivery: "done"; "stale" (the consumer no longer holds it; nothing was done);
--          "gone" (the connection has ended; the delivery was acknowledged, nothing else done);
--          "full <channel>" (nothing was done)

local transient = transient_error("")
if transient then return transient end

local plan, commits, acknowledged, results = new_plan(), {}, {}, {}
local ended, done = {}, {}

-- Has this call finished the delivery, or the message of the connection, already? Nothing is written yet.
local function is_repeated(name)
  local before = done[name]
  done[name] = true
  return before
end

local function keeps_session(record, reply, session_of, ends)
  if session_of == "" or ended[session_of] or (record and record.state == "d") then return false end
  if ends and session_of == reply then return false end
  return record and session_of == reply
    or on_key("HEXISTS", connections_key(server_of(session_of)), session_of) == 1
end

-- Plan the commit whose arguments are ARGV[at] to ARGV[last], without a write. Returns its result.
local function plan_commit(at, last)
  local channel, entry, consumer, id, reply = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local session_of, ends, record = ARGV[at + 6], ARGV[at + 8] ~= "", nil
  if not is_pending_for(channel, entry, consumer) then return "stale" end
  if reply ~= "" then
    record = read_record(reply)
    if not record or record.order ~= tonumber(ARGV[at + 5]) or record.state == "i" or is_repeated(reply) then
      acknowledged[#acknowledged + 1] = {channel, entry}
      return "gone"
    end
  elseif is_repeated(channel .. " " .. entry) then return "stale"
  end
  local full = plan_outbox(plan, at + 9, id, last)
  if full then return "full " .. full end
  acknowledged[#acknowledged + 1] = {channel, entry}
  local session = keeps_session(record, reply, session_of, ends) and ARGV[at + 7] or nil
  if session and is_alive(plan, server_of(session_of)) then
    plan_inbox(plan, server_of(session_of), "k" .. session_of, session)
  end
  local shard = shard_elsewhere(session_of)  -- shards
  if shard then plan_log(plan, "k", shard, session_of, "", ARGV[at + 7]) end  -- shards
  if record then
    plan_release(plan, reply, record, ends)
    ended[reply] = ends or record.state == "d" or nil
  end
  commits[#commits + 1] = {reply, record, ends, session_of, session}
  return "done"
end

local at = 1
while at < #ARGV do
  local last = at + tonumber(ARGV[at])
  results[#results + 1] = plan_commit(at + 1, last)
  at = last + 1
end

acknowledge_all(acknowledged)
for _, commit in ipairs(commits) do
  if commit[5] then redis.call("SET", session_key(commit[4]), commit[5]) end
end
if #commits > 0 then write_outbox(plan) end
for _, commit in ipairs(commits) do
  if commit[2] then finish_order(commit[1], commit[2], commit[3]) end
end
return results
