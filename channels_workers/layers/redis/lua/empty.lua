-- empty.lua: streams without messages (a part of the other scripts).
-- Needs keys.lua.

-- Delete the stream of a channel if it holds nothing and no worker listens to it: anybody may name a
-- channel. A coroutine that waits for a message of it is told by Redis, and waits for the next one.
local function forget_empty(channel)
  local key = stream_key(channel)
  if on_key("XLEN", key) > 0 then return 0 end
  local consumers = redis.pcall("XINFO", "CONSUMERS", key, worker_group)
  for _, consumer in ipairs(consumers.err and {} or consumers) do
    if consumer[2] ~= "receive" or consumer[4] > 0 then return 0 end
  end
  return redis.call("DEL", key)
end
