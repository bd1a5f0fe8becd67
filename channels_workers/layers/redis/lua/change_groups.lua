-- change_groups.lua: carry out joins and leaves of a running consumer now, while it holds its
-- delivery. A second run has no effect.
-- include: keys.lua epoch.lua join.lua delayed.lua outbox.lua
--
-- KEYS[1]  prefix
-- ARGV     1 channel, 2 entry, 3 consumer, 4... joins and leaves (outbox.lua)
-- writes   inbox:<server>, group:<name>, groups:<server>
-- returns  "done"; "stale" (the consumer no longer holds the delivery; nothing was done)

local channel, entry, consumer = ARGV[1], ARGV[2], ARGV[3]

local transient = transient_error("")
if transient then return transient end
if not is_pending_for(channel, entry, consumer) then return "stale" end

local plan = new_plan()
plan_outbox(plan, 4, "")
write_outbox(plan)
return "done"
