-- pulse.lua: raise a process's counter; a server also drops what it has read of its inbox.
-- include: keys.lua epoch.lua
--
-- KEYS[1]  prefix
-- ARGV     1 process id, 2 id of the last inbox entry that it processed, or "", 3 the epoch that it
--          knows, 4 its counter as it knows it, 5 an epoch, should this one be over
-- writes   processes, inbox:<server>, epoch, run, recovering
-- returns  {"alive", counter, epoch in which all register again, or ""}; {"buried"}: it was called
--          dead; {"lost", epoch}: Redis has lost its data, or came back with old ones

local process, entry, known, counter, fresh = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local current, begun_in = unpack(redis.call("MGET", epoch, run))
local stored = tonumber(redis.call("HGET", processes, process) or -1)
local is_other = is_other_run(begun_in)

if current == known and stored >= counter and not is_other then
  if entry ~= "" then
    redis.call("XTRIM", inbox_key(process), "MINID", entry)
    redis.call("XDEL", inbox_key(process), entry)
  end
  local raised = redis.call("HINCRBY", processes, process, 1)
  return {"alive", raised, redis.call("GET", recovering) or ""}
end

if redis.call("LPOS", buried, process) then return {"buried"} end
if current == known or not current or is_other then current = begin_epoch(fresh) end
if redis.call("GET", recovered) ~= current then redis.call("SET", recovering, current) end
return {"lost", current}
