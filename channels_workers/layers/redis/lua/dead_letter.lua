-- dead_letter.lua: make a delivery a dead letter.
-- include: keys.lua epoch.lua log.lua connection.lua join.lua delayed.lua history.lua outbox.lua dead_letters.lua
--
-- KEYS[1]  prefix
-- ARGV     1 channel, 2 entry, 3 consumer, 4 reason, 5 how many dead letters are kept,
--          6, 7 payloads that refuse a handshake and a request
-- writes   dead_letters, channel:<name>, connections:<server>, session:<reply>, told:<reply>,
--          inbox:<server>, ended:<server>
-- returns  "done"; "stale" (the consumer no longer holds the delivery; nothing was done)

local channel, entry, consumer, reason, kept = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local refusals = {["websocket.connect"] = ARGV[6], ["websocket.resume"] = ARGV[6], ["http.request"] = ARGV[7]}
if not is_pending_for(channel, entry, consumer) then return "stale" end
local found = on_key("XRANGE", stream_key(channel), entry, entry)
if #found == 0 then return "stale" end
local plan = new_plan()
dead_letter(plan, channel, entry, found[1][2], reason, kept, refusals)
write_outbox(plan)
return "done"
