-- note_gap.lua: go on after entries in the log of another shard that are gone, and tell our servers.
-- include: keys.lua epoch.lua log.lua process_info.lua marks.lua join.lua delayed.lua history.lua outbox.lua gaps.lua
--
-- KEYS[1]  prefix
-- ARGV     1 token of the puller, 2 shard, 3 epoch of its log, 4 the seq up to which all is gone,
--          5 "again" to go back to an epoch that was over, or ""
-- reads    puller, processes, process_info
-- writes   marks, inbox:<server>, process_info
-- returns  what it did, and epoch and seq of the mark: "applied"; "dup" (the mark is there already);
--          "old" (the epoch is over); {"lost"} (another puller has claimed this shard)
--
-- The first mark of a shard is set without a word: before it, nobody here missed anything. After a
-- failover both masters may answer for a while, and the one that stays may be the one that was over.

local token, shard, of, upto = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local transient = transient_error("")
if transient then return transient end
if redis.call("EXISTS", epoch) == 0 then return redis.error_reply("LOST Redis has lost its data") end
if claim_of_puller() ~= token then return {"lost"} end
local known, mark, once, _, past = mark_of(shard)
if is_past(of, past) and ARGV[5] == "" then return {"old", known, mark} end
if known == of and upto <= mark then return {"dup", known, mark} end

local plan = new_plan()
if known == of then plan_gap(plan, shard, of, upto, of .. ":" .. string.format("%.0f-%.0f", mark + 1, upto))
elseif known then plan_gap(plan, shard, of, upto, "?") end
write_outbox(plan)
raise_mark(shard, of, upto, known, once, (string.gsub(past, of .. ",?", "")))
return {"applied", of, upto}
