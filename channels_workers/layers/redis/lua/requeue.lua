-- requeue.lua: hand a delivery back under the same message id.
-- include: keys.lua put_back.lua
--
-- KEYS[1]  prefix
-- ARGV     1 channel, 2 entry, 3 consumer, 4 the counter to set ("attempts", "failures"),
--          5 its value
-- writes   channel:<channel>, connections:<server>
-- returns  "done"; "stale" (the consumer no longer holds the delivery; nothing was done)

local channel, entry, consumer, name, count = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if not is_pending_for(channel, entry, consumer) then return "stale" end
local found = on_key("XRANGE", stream_key(channel), entry, entry)
if #found == 0 then return "stale" end
put_back(channel, entry, found[1][2], name, count)
return "done"
