-- take.lua: remove and return the next message of an ordinary channel, for a receiving coroutine.
-- include: keys.lua forget_empty.lua
--
-- KEYS[1]  prefix
-- ARGV     1 channel
-- writes   channel:<channel>
-- returns  entry id and fields of the message; without a message, the entry id after which the next
--          one will come

local channel = ARGV[1]
local key = stream_key(channel)
on_key("XLEN", key)  -- sets the key aside if it is no stream
if redis.call("EXISTS", key) == 0 then return {"0-0"} end
local read = {"XREADGROUP", "GROUP", worker_group, "receive", "COUNT", 1, "NOACK", "STREAMS", key, ">"}
local found = redis.pcall(unpack(read))
if found and found.err then
  redis.call("XGROUP", "CREATE", key, worker_group, "0")
  found = redis.call(unpack(read))
end
if found then
  local entry = found[1][2][1]
  redis.call("XDEL", key, entry[1])
  forget_empty(channel)
  return entry
end
if forget_empty(channel) == 1 then return {"0-0"} end
local last = redis.call("XREVRANGE", key, "+", "-", "COUNT", 1)[1]
return {last and last[1] or "0-0"}
