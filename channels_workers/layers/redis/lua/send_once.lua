-- send_once.lua: carry out stored sends, in order, and each once.
-- include: keys.lua epoch.lua log.lua join.lua delayed.lua history.lua outbox.lua relayed.lua
--
-- KEYS[1]  prefix
-- ARGV     1 id of the database, 2 fencing token, 3... sends: key, and an operation (outbox.lua)
-- writes   relayed, channel:<name>, inbox:<server>, histories, history_order, history:<group>,
--          log:<epoch>, logs
-- returns  {1, for each send "done", "repeated" (it was carried out before) or "full" (not done)};
--          {0} (the claim has another token; nothing was done)

local database = ARGV[1]

local transient = relay_error()
if transient then return transient end
if claim_of(database) ~= ARGV[2] then return {0} end

local plan, reply, done = new_plan(), {1}, {}

-- Returns whether the channel is full.
local function plan_stored(key, kind, target, value, capacity)
  local id = key .. ".1"
  if kind == "s" then return plan_send(plan, target, id, value, capacity) end
  if kind == "h" then plan_kept_send(plan, target, id, value, capacity)
  else plan_group_send(plan, target, id, value, capacity) end
end

for at = 3, #ARGV, 5 do
  local field, result = database .. ":" .. ARGV[at], "done"
  if on_key("HEXISTS", relayed, field) == 1 then result = "repeated"
  elseif plan_stored(unpack(ARGV, at, at + 4)) then result = "full"
  else done[#done + 1] = field end
  reply[#reply + 1] = result
end

write_outbox(plan)  -- first: a full Redis refuses it before anything is written
for _, field in ipairs(done) do on_key("HSET", relayed, field, "") end
return reply
