-- quarantine.lua: note that a worker begins to run a message whose worker has died before.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 channel, 2 entry, 3 consumer
-- writes   quarantined
-- returns  "done"; "stale" (the consumer no longer holds the delivery; nothing was done)
--
-- It runs while its process runs no other such message. If the process dies before it notes another
-- one, this death counts (clean_up.lua).

local channel, entry, consumer = ARGV[1], ARGV[2], ARGV[3]
if not is_pending_for(channel, entry, consumer) then return "stale" end
on_key("HSET", quarantined, process_of(consumer) or consumer, entry .. " " .. channel)
return "done"
