-- register.lua: make a process known, so that connections, joins and sends may name it.
-- include: keys.lua epoch.lua
--
-- KEYS[1]  prefix
-- ARGV     1 process id, 2 what is to be known about it, as JSON, 3 an epoch, should there be none
-- writes   processes, about, epoch, run
-- returns  the epoch: the name of the life of these data

on_key("HSET", processes, ARGV[1], 1)
on_key("HSET", about, ARGV[1], ARGV[2])
local current, begun_in = read_epoch()
if not current or is_other_run(begun_in) then return begin_epoch(ARGV[3]) end
return current
