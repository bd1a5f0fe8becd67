-- trim_log.lua: note how far another shard has applied our log, and drop what all others have applied.
-- include: keys.lua epoch.lua log.lua
--
-- KEYS[1]  prefix
-- ARGV     1 the other shard, 2 epoch of the log, 3 seq up to which it needs nothing more
-- reads    epoch
-- writes   processed, log:<epoch>
-- returns  1; 0 for another epoch: nothing was done
--
-- The newest entry stays: a shard whose mark goes back sees by it that others are gone.

local shard, of, seq = ARGV[1], ARGV[2], tonumber(ARGV[3])

if on_key("GET", epoch) ~= of then return 0 end
if seq > (processed_by(shard, of) or -1) then
  on_key("HSET", processed, shard, of .. ":" .. ARGV[3])
end
local newest = tonumber(on_key("HGET", logs, of)) or 0
local first = math.min(processed_by_all(of) + 1, newest)
if first > 1 then on_key("XTRIM", log_key(of), "MINID", "~", string.format("%.0f", first)) end
return 1
