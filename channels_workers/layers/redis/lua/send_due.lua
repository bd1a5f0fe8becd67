-- send_due.lua: send the delayed messages that are due, each once, in the order of their due times.
-- include: keys.lua epoch.lua join.lua delayed.lua history.lua outbox.lua
--
-- KEYS[1]  prefix
-- ARGV     1 how many at most, 2 after how many microseconds a message to a full channel is due again
-- writes   channel:<name>, inbox:<server>, delayed, delayed_messages
-- returns  {how many were sent; microseconds until the next one is due, or "" without one; the
--          channels that were full}
--
-- It also ends with fewer than ARGV[1], after a megabyte.

local most_bytes = 1000000

local transient = transient_error("")
if transient then return transient end

local time, plan, bytes = now(), new_plan(), 0
local done, refused, sent, full = {}, {}, 0, {}

-- Returns whether the message is done with.
local function plan_due(id, value)
  local capacity, channel, payload = string.match(value, "^(%d+):([^:]+):(.*)$")
  if not capacity then
    if value ~= "" then note_aside("delayed message " .. id, value) end
    return true
  end
  bytes = bytes + #payload
  if plan_send(plan, channel, id, payload, capacity) then
    if not full[channel] then full[#full + 1] = channel end
    full[channel] = true
    return false
  end
  sent = sent + 1
  return true
end

local due = {"-inf", string.format("%.0f", time), "BYSCORE", "LIMIT", 0, ARGV[1]}
for _, id in ipairs(on_key("ZRANGE", delayed, unpack(due))) do
  if bytes < most_bytes then
    local list = plan_due(id, on_key("HGET", delayed_messages, id) or "") and done or refused
    list[#list + 1] = id
  end
end

write_outbox(plan)  -- first: a full Redis refuses it before anything is written
for _, id in ipairs(done) do
  on_key("ZREM", delayed, id)
  on_key("HDEL", delayed_messages, id)
end
for number, id in ipairs(refused) do set_due(id, time + tonumber(ARGV[2]) + number) end

local first = on_key("ZRANGE", delayed, 0, 0, "WITHSCORES")
if #first > 0 then return {sent, math.max(0, tonumber(first[2]) - time), unpack(full)} end
redis.call("DEL", delayed_messages)  -- a flush may have left some there
return {sent, "", unpack(full)}
