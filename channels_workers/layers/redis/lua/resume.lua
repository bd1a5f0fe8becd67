-- resume.lua: let a reply channel join a group with history, and replay what it missed, in one step.
-- A second run has no further effect: the server drops what the channel has got already.
-- include: keys.lua epoch.lua log.lua join.lua delayed.lua history.lua outbox.lua
--
-- KEYS[1]  prefix
-- ARGV     1 channel, 2 entry, 3 consumer of the delivery, or "" outside consumers,
--          4 group, 5 reply channel, 6 since: "<epoch>:<offset>", "" for all that is kept, "new" for live
--          messages only, or "none" for the text of no position,
--          7 limits (history.lua), 8 seed of a new epoch, "=<epoch>" for that one, or "?" if the home of the
--          history is another shard, which was not asked, 9 bytes of an inbox above which nothing is
--          replayed
-- writes   inbox:<server>, group:<name>, groups:<server>, kept:<reply>, histories, history_order, history:<group>
-- returns  {"done", epoch, offset of the newest message, 1 if messages are missing, how many are
--          replayed}; {"stale"} (the consumer no longer holds the delivery; nothing was done);
--          {"unopened"} (there is no copy of the history here, and the seed is "?")

local channel, entry, consumer = ARGV[1], ARGV[2], ARGV[3]
local group, reply, since, limits = ARGV[4], ARGV[5], ARGV[6], read_limits(ARGV[7])

local transient = transient_error("")
if transient then return transient end
if channel ~= "" and not is_pending_for(channel, entry, consumer) then return {"stale"} end

-- Returns the offset after which messages are wanted, or nil for another epoch and for too new a one.
local function wanted_after(history)
  if since == "new" then return history.last end
  if since == "" then
    local first = on_key("XRANGE", history_key(group), "-", "+", "COUNT", 1)[1]
    return first and tonumber(string.match(first[1], "^%d+")) - 1 or history.last
  end
  local name, offset = string.match(since, "^(%x+):(%d+)$")
  if name == history.name and tonumber(offset) <= history.last then return tonumber(offset) end
end

-- Returns the messages after an offset, or nil if one is missing or there is no place for them.
local function messages_after(history, after, server)
  if not after then return nil end
  if after == history.last then return {} end
  if (redis.call("MEMORY", "USAGE", inbox_key(server)) or 0) > tonumber(ARGV[9]) then return nil end
  local found = on_key("XRANGE", history_key(group), whole(after + 1), "+")
  return #found == history.last - after and found or nil
end

local history = read_history(group, ARGV[8])
if history.begins and ARGV[8] == "?" then return {"unopened"} end  -- shards
write_history({[group] = true}, group, history, limits)
local server, plan = server_of(reply), new_plan()
local after = wanted_after(history)
local found = messages_after(history, after, server)
local position = history.name .. ":" .. whole(history.last)
if is_alive(plan, server) then
  if takes_positions(plan, server) then
    local from = whole(found and after or history.last)
    plan_inbox(plan, server, "b" .. group, reply .. ":" .. position .. ":" .. from)
  else
    plan_inbox(plan, server, "j" .. group, reply)
  end
  for number, message in ipairs(found or {}) do
    plan_replay(plan, server, group, reply, history.name .. ":" .. whole(after + number),
      field_of(message[2], "payload") or "")
  end
  plan.joins[1] = {group, server, 1}
  write_outbox(plan)
end
if is_kept(reply) then note_kept(reply, group, true) end
return {"done", history.name, whole(history.last), found and 0 or 1, #(found or {})}
