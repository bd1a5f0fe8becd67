-- register.lua: register a process, so that connections, joins and sends may name it.
-- include: keys.lua epoch.lua log.lua
--
-- KEYS[1]  prefix
-- ARGV     1 process id, 2 its info, as JSON, 3 a new epoch, used if there is none
-- writes   processes, process_info, epoch, run, processed; with a new epoch log:<epoch>, logs
-- returns  the epoch

on_key("HSET", processes, ARGV[1], 1)
on_key("HSET", process_info, ARGV[1], ARGV[2])
local current, begun_in = read_epoch()
if not current or is_other_run(begun_in) then current = begin_epoch(ARGV[3]) end
know_others(current)  -- shards
return current
