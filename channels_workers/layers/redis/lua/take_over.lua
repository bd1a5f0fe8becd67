-- take_over.lua: claim one delivery that a dead consumer holds.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 the dead consumer, 2 the claiming consumer, 3... channels
-- writes   channel:<name>
-- returns  {channel, entry, fields, times it was handed out before}; nil if there is none

local owner, consumer = ARGV[1], ARGV[2]
for at = 3, #ARGV do
  local channel = ARGV[at]
  local pending = redis.pcall("XPENDING", stream_key(channel), worker_group, "-", "+", 1, owner)
  if not pending.err and #pending == 1 then
    local entry, times = pending[1][1], pending[1][4]
    local claimed = redis.call(
      "XCLAIM", stream_key(channel), worker_group, consumer, 0, entry)
    if #claimed == 1 then return {channel, entry, claimed[1][2], times} end
    redis.call("XACK", stream_key(channel), worker_group, entry)
  end
end
return nil
