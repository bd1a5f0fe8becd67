-- change_groups.lua: carry out joins and leaves of a running consumer now, while it holds its
-- delivery. A second run has no effect.
-- include: keys.lua epoch.lua join.lua
--
-- KEYS[1]  prefix
-- ARGV     1 channel, 2 entry, 3 consumer, 4... joins and leaves, four arguments each (outbox.lua)
-- writes   inbox:<server>, group:<name>, groups:<server>, kept:<reply>
-- returns  "done"; "stale" (the consumer no longer holds the delivery; nothing was done)
--
-- A connect waits for this script, so it is short: it plans nothing, as no change can be refused.

local channel, entry, consumer = ARGV[1], ARGV[2], ARGV[3]

local transient = transient_error("")
if transient then return transient end
if not is_pending_for(channel, entry, consumer) then return "stale" end

for at = 4, #ARGV, 4 do
  local kind, group, member = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local server = server_of(member)
  if not server then
    if kind == "j" then join_channel(group, member) else leave_channel(group, member) end
  elseif on_key("HEXISTS", processes, server) == 1 then
    local told = on_key("XADD", inbox_key(server), "*", kind .. group, member)
    if kind == "j" then join_server(group, server, told) end
  end
  if server and is_kept(member) then note_kept(member, group, kind == "j") end
end
return "done"
