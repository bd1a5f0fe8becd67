-- forget_empty.lua: delete empty streams (a part of the other scripts).
-- Needs keys.lua.

-- Delete the stream of a channel if it is empty and no worker listens to it. Channel names are
-- arbitrary, so empty streams would pile up. A coroutine that blocks on the stream gets an error
-- from Redis and waits again.
local function forget_empty(channel)
  local key = stream_key(channel)
  if on_key("XLEN", key) > 0 then return 0 end
  local consumers = redis.pcall("XINFO", "CONSUMERS", key, worker_group)
  for _, consumer in ipairs(consumers.err and {} or consumers) do
    if consumer[2] ~= "receive" or consumer[4] > 0 then return 0 end
  end
  return redis.call("DEL", key)
end
