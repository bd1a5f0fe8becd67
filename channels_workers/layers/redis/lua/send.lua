-- send.lua: carry out operations now, for code outside consumers and immediately=True.
-- include: keys.lua epoch.lua log.lua join.lua delayed.lua history.lua outbox.lua
--
-- KEYS[1]  prefix
-- ARGV     1 parent of the message ids, 2... operations (outbox.lua)
-- writes   channel:<name>, inbox:<server>, group:<name>, groups:<server>, delayed,
--          delayed_messages, histories, history_order, history:<group>, log:<epoch>, logs
-- returns  "done"; "full <channel>" (nothing was done)

local transient = transient_error("")
if transient then return transient end
local plan = new_plan()
local full = plan_outbox(plan, 2, ARGV[1])
if full then return "full " .. full end
write_outbox(plan)
return "done"
