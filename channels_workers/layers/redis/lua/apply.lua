-- apply.lua: carry out here what the log of another shard has for this one, each entry once.
-- include: keys.lua epoch.lua log.lua process_info.lua marks.lua join.lua delayed.lua history.lua outbox.lua gaps.lua
--
-- KEYS[1]  prefix
-- KEYS[3]  the shards (log.lua)
-- ARGV     1 token of the puller, 2 shard, 3 epoch of its log, 4 seq of the first entry, 5 how many dead
--          letters are kept, 6 why all entries become dead letters, or "", 7... entries without a hole
--          between them: the number of its arguments, then these, four for each operation (log.lua). It
--          is 0 for an entry without operations for this shard.
-- reads    puller, processes, process_info
-- writes   marks, channel:<name>, inbox:<server>, group:<name>, groups:<server>, session:<reply>,
--          kept:<reply>, histories, history_order, history:<group>, dead_letters, log:<epoch>, logs
-- returns  what it did, and epoch and seq of the mark: "applied", with the number of entries that became
--          dead letters; "dup" (all were applied before); "gap" (the first entry does not follow the
--          mark); "old" (their epoch is over); {"lost"} (another puller has claimed this shard)
--
-- All of it and the mark are one step. An unreadable entry becomes a dead letter, and nothing of it is
-- carried out. Of an entry that comes again after a loss of data here (marks.lua), only the servers hear.

local token, shard, of, seq = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local kept, reason = ARGV[5], ARGV[6]

local transient = transient_error("")
if transient then return transient end
if redis.call("EXISTS", epoch) == 0 then return redis.error_reply("LOST Redis has lost its data") end
if claim_of_puller() ~= token then return {"lost"} end

local known, mark, once, _, past = mark_of(shard)
if is_past(of, past) then return {"old", known, mark} end
local plan, sessions, refused, newest = new_plan(), {}, {}, known == of and mark or 0
if seq > newest + 1 then return {"gap", known or "", mark} end
if known and known ~= of then plan_gap(plan, shard, of, 0, "?") end
if known ~= of then once = 0 end
mark = newest

-- The parts of the third value of a group send.
local parts = {
  g = "^(%S+) (%d+)$",
  h = "^(%S+) (%d+:%d+:%d+:%d+:%d+:%d+)$",
  p = "^(%S+) (%d+:%d+:%d+:%d+:%d+:%d+) (%x+):(%d+)$"}

local function is_here(channel)
  return string.find(channel, "!", 1, true) ~= nil and not shard_elsewhere(channel)
end

local function is_readable(kind, target, about, value)
  if parts[kind] then return string.find(about, parts[kind]) ~= nil end
  if kind == "s" or kind == "k" then return is_here(target) end
  return (kind == "j" or kind == "l") and not shard_elsewhere(value)
end

local function plan_session(reply, session)
  local server = server_of(reply)
  if plan.again or on_key("HEXISTS", connections_key(server), reply) == 0 then return end
  sessions[#sessions + 1] = {reply, session}
  if is_alive(plan, server) then plan_inbox(plan, server, "k" .. reply, session) end
end

local function copy_of(group, id, rest)
  local history = plan.histories[group]
  if not history then
    history = read_history(group, id)
    plan.histories[group] = history
    plan.kept[#plan.kept + 1] = {group, history, read_limits(rest)}
  end
  return history
end

local function plan_group(kind, group, about, payload)
  local id, rest, name, offset = string.match(about, parts[kind])
  if kind == "g" then return plan_group_send(plan, group, id, payload, rest) end
  if kind == "h" then return plan.again or plan_kept_send(plan, group, id, payload, rest) end
  plan_copied(copy_of(group, id, rest), name, tonumber(offset), payload)
  plan_group_send(plan, group, id, payload, string.match(rest, "^%d+"), name .. ":" .. offset)
end

local function plan_operation(kind, target, about, value)
  if kind == "s" then plan_send(plan, target, "", value, "0")
  elseif kind == "k" then plan_session(target, value)
  elseif kind == "j" then plan_join(plan, target, value, about)
  elseif kind == "l" then plan_leave(plan, target, value)
  else plan_group(kind, target, about, value) end
end

-- Do something for each operation that is for this shard, until that returns false. Returns whether none did.
local function each_operation(from, last, run)
  for at = from, last, 4 do
    local kind, destination = string.match(ARGV[at], "^(%l)(.*)$")
    local is_ours = not kind or destination == "*" or destination == this_shard
    if is_ours and run(kind, ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]) == false then return false end
  end
  return true
end

local function plan_entry(from, last)
  if reason ~= "" or (last - from) % 4 ~= 3 or not each_operation(from, last, is_readable) then
    if seq > once then refused[#refused + 1] = {seq, ARGV[last]} end
    return
  end
  plan.again = seq <= once
  plan.heard = {"h" .. shard, of .. ":" .. seq}
  each_operation(from, last, plan_operation)
end

local at = 7
while at <= #ARGV do
  local last = at + tonumber(ARGV[at])
  if seq > mark then
    newest = seq
    if last > at then plan_entry(at + 1, last) end
  end
  at, seq = last + 1, seq + 1
end
if newest == mark then return {"dup", known or "", mark} end

write_outbox(plan)
for _, session in ipairs(sessions) do redis.call("SET", session_key(session[1]), session[2]) end
for _, entry in ipairs(refused) do
  local why = (reason ~= "" and reason or "an entry in the log of another shard") .. ": it is unreadable"
  on_key("XADD", dead_letters, "MAXLEN", "~", kept, "*", "channel", "log:" .. shard, "reason", why,
    "id", shard .. ":" .. of .. ":" .. entry[1], "payload", entry[2])
end
raise_mark(shard, of, newest, known, once, past)
return {"applied", of, newest, #refused}
