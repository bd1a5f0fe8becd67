-- send_due.lua: send the delayed messages that are due, each once, in the order of their due times. End
-- parked connections whose time is over.
-- include: keys.lua epoch.lua log.lua join.lua connection.lua delayed.lua history.lua kept.lua outbox.lua
--
-- KEYS[1]  prefix
-- ARGV     1 how many at most, 2 after how many microseconds a message to a full channel is due again
-- writes   channel:<name>, inbox:<server>, delayed, delayed_messages, connections:<server>, kept:<reply>,
--          parked, log:<epoch>, logs
-- returns  {how many were sent; how many connections ended; microseconds until the next message or
--          connection is due, or "" without one; the channels that were full}
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

local ended, next_due = end_due(time, ARGV[1])
local first = on_key("ZRANGE", delayed, 0, 0, "WITHSCORES")
if #first > 0 then next_due = math.min(next_due or math.huge, tonumber(first[2]))
else redis.call("DEL", delayed_messages) end  -- a flush may have left some there
return {sent, ended, next_due and math.max(0, next_due - time) or "", unpack(full)}
