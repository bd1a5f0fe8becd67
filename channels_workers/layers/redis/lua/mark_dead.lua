-- mark_dead.lua: declare a process dead whose counter stands still.
-- include: keys.lua process_info.lua epoch.lua lifelines.lua
--
-- KEYS[1]  prefix
-- ARGV     1 process id, 2 its counter as seen by the caller: 0 for an orphan (orphans.lua),
--          -1 for a counter that is no number, 3 how many dead processes are remembered,
--          4 "cut" if its lifeline must be cut, or ""
-- writes   processes, dead, awaiting_cleanup, lifelines
-- returns  1; 0 if its counter is another one now, if it is no orphan any more, or if its lifeline holds

local process, counter, kept = ARGV[1], ARGV[2], tonumber(ARGV[3])
if counter == "0" then
  local _, previous_ids = read_all_process_info()
  if not is_unknown(process, previous_ids) then return 0 end
else
  local stored = on_key("HGET", processes, process)
  if stored and not is_counter(stored) then stored = "-1" end
  if stored ~= counter then return 0 end
end
if ARGV[4] == "cut" and not is_cut(process, on_key("HGET", lifelines, process)) then return 0 end
on_key("HDEL", processes, process)
on_key("HDEL", lifelines, process)
on_key("LPUSH", dead, process)
on_key("LTRIM", dead, 0, kept - 1)
on_key("SADD", awaiting_cleanup, process)
return 1
