-- heartbeat.lua: raise the counter of a process. For a server, also trim its inbox.
-- include: keys.lua epoch.lua log.lua marks.lua
--
-- KEYS[1]  prefix
-- ARGV     1 process id, 2 id of the last inbox entry that it processed, or "", 3 the epoch that it
--          knows, 4 its counter as it knows it, 5 a new epoch, used if this one has ended,
--          6... connections whose end the server has learned, up to 5,000
-- reads    marks
-- writes   processes, inbox:<server>, ended:<server>, epoch, run, recovering; with a new epoch
--          log:<epoch>, logs
-- returns  {"alive", counter, the epoch of a recovery, or "", 1 if process_info has it, else 0; with
--          several shards also the newest inbox entry or "0-0", and shard, mark, shard, mark ...: a
--          server that has processed that entry has heard the logs of the others up to these marks};
--          {"evicted"}: it was declared dead; {"lost", epoch}: Redis has lost data, or came back
--          with old data

local process, entry, known, counter, fresh = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local current, begun_in = read_epoch()
local stored = on_key("HGET", processes, process) or "-1"
if stored ~= "-1" and not is_counter(stored) then  -- the process itself knows its counter
  note_aside("counter of " .. process, stored)
  on_key("HSET", processes, process, counter)
  stored = counter
end
stored = tonumber(stored)
local is_other = is_other_run(begun_in)

if current == known and stored >= counter and not is_other then
  if entry ~= "" then
    on_key("XTRIM", inbox_key(process), "MINID", entry)
    on_key("XDEL", inbox_key(process), entry)
  end
  local registering = on_key("GET", recovering) or ""
  -- During a recovery, a publish of the same write may be refused, and come again later.
  if ARGV[6] and registering == "" then on_key("HDEL", ended_key(process), unpack(ARGV, 6)) end
  local raised = on_key("HINCRBY", processes, process, 1)
  local reply = {"alive", raised, registering, on_key("HEXISTS", process_info, process)}
  local newest = on_key("XREVRANGE", inbox_key(process), "+", "-", "COUNT", 1)[1]  -- shards
  reply[5] = newest and newest[1] or "0-0"  -- shards
  for _, part in ipairs(on_key("HGETALL", marks)) do reply[#reply + 1] = part end  -- shards
  return reply
end

if on_key("LPOS", dead, process) then return {"evicted"} end
if current == known or not current or is_other then current = begin_epoch(fresh) end
if on_key("GET", recovered) ~= current then redis.call("SET", recovering, current) end
return {"lost", current}
