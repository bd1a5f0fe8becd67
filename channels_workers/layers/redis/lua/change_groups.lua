-- change_groups.lua: carry out joins and leaves of a running consumer now, while it holds its
-- delivery. A second run has no effect.
-- include: keys.lua epoch.lua log.lua join.lua
--
-- KEYS[1]  prefix
-- ARGV     1 channel, 2 entry, 3 consumer, 4... joins and leaves, four arguments each (outbox.lua)
-- writes   inbox:<server>, group:<name>, groups:<server>, kept:<reply>, log:<epoch>, logs
-- returns  "done"; "stale" (the consumer no longer holds the delivery; nothing was done)
--
-- A connect waits for this script, so it is short: it plans nothing, as no change can be refused.

local channel, entry, consumer = ARGV[1], ARGV[2], ARGV[3]

local transient = transient_error("")
if transient then return transient end
if not is_pending_for(channel, entry, consumer) then return "stale" end

local plan = {}  -- shards
for at = 4, #ARGV, 4 do
  local kind, group, member = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local shard, home = shard_elsewhere(member), ARGV[at + 3]  -- shards
  if shard then plan_log(plan, kind, shard, group, "", member) end  -- shards
  local server = server_of(member)
  if not server then
    plan_log(plan, kind, "*", group, home, member)  -- shards
    if home ~= this_shard then kind = "l" end  -- shards
    if kind == "j" then join_channel(group, member) else leave_channel(group, member) end
  elseif on_key("HEXISTS", processes, server) == 1 then
    local told = on_key("XADD", inbox_key(server), "*", kind .. group, member)
    if kind == "j" then join_server(group, server, told) end
  end
  if server and is_kept(member) then note_kept(member, group, kind == "j") end
end
if plan.log then write_log(plan.log) end  -- shards
return "done"
