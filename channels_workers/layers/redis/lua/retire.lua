-- retire.lua: end a process cleanly.
-- include: keys.lua process_info.lua epoch.lua lifelines.lua
--
-- KEYS[1]  prefix
-- ARGV     1 process id, 2... pairs of channel and consumer name (workers)
-- writes   processes, process_info, channel:<name>, group:<name>, groups:<server>, inbox:<server>,
--          ended:<server>, lifelines, quarantined
-- returns  the number of consumers that still hold deliveries; if not 0, nothing else was done

local holding = 0
for at = 2, #ARGV, 2 do
  local channel, consumer = ARGV[at], ARGV[at + 1]
  local pending = redis.pcall("XPENDING", stream_key(channel), worker_group, "-", "+", 1, consumer)
  if not pending.err then
    if #pending > 0 then holding = holding + 1
    else redis.call("XGROUP", "DELCONSUMER", stream_key(channel), worker_group, consumer) end
  end
end
if holding > 0 then return holding end

local process = ARGV[1]
local info = read_process_info(process)
for id in pairs(info and info.previous_ids or {}) do on_key("HDEL", quarantined, id) end
on_key("HDEL", quarantined, process)
for _, group in ipairs(on_key("SMEMBERS", groups_key(process))) do
  on_key("HDEL", group_key(group), process)
end
redis.call("DEL", groups_key(process), inbox_key(process), ended_key(process))
on_key("HDEL", processes, process)
on_key("HDEL", lifelines, process)
on_key("HDEL", process_info, process)
return 0
