-- pulse.lua: raise a process's counter; a server also drops what it has read of its inbox.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 process id, 2 id of the last inbox entry that it processed, or ""
-- writes   processes, inbox:<server>
-- returns  the counter; 0 if the process is not known (it was reaped, or the data is lost)

local process, entry = ARGV[1], ARGV[2]
if redis.call("HEXISTS", processes, process) == 0 then return 0 end
if entry ~= "" then
  redis.call("XTRIM", inbox_key(process), "MINID", entry)
  redis.call("XDEL", inbox_key(process), entry)
end
return redis.call("HINCRBY", processes, process, 1)
