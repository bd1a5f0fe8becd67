-- clean_up.lua: clean up after a dead process, in small steps, one per call.
-- include: keys.lua epoch.lua log.lua process_info.lua connection.lua join.lua delayed.lua history.lua kept.lua outbox.lua put_back.lua dead_letters.lua
--
-- KEYS[1]  prefix
-- ARGV     1 process id, 2 the cursor that the last call returned (first: ""),
--          3 how much to do in this call, 4 how often a message is delivered,
--          5 how many dead letters are kept, 6, 7 payloads that refuse a handshake and a request,
--          8 how many kept connections may wait
-- writes   channel:<name>, connections:<server>, session:<reply>, told:<reply>, group:<name>,
--          groups:<server>, inbox:<server>, ended:<server>, dead_letters, process_info, awaiting_cleanup,
--          kept:<reply>, parked, quarantined
-- returns  {the next cursor, or "done"; channel and id of each new dead letter}. A cursor "at <number>,
--          ended <count>" says how many connections ended as too many wait. "groups <number>" follows.
--
-- Its deliveries, also those under its previous ids, go back to the other workers, except requests that
-- must not run twice. Its connections end, except kept ones, and it leaves its groups. Any process may repeat a call without harm.

local process, from, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local deliveries, kept = tonumber(ARGV[4]), ARGV[5]
local refusals = {["websocket.connect"] = ARGV[6], ["websocket.resume"] = ARGV[6], ["http.request"] = ARGV[7]}
if on_key("SISMEMBER", awaiting_cleanup, process) == 0 then return {"done"} end

local plan, new_dead_letters = new_plan(), {}

local function runs_once(channel, fields)
  return channel == "http.request" and request_kind(field_of(fields, "reply") or "") == "once"
end

-- Most of what a dead worker held had not begun. The first death makes a message a suspect, which runs
-- in quarantine from then on. So a later death counts only if it was running.
local function count_deaths(channel, entry, fields, consumer)
  local before = tonumber(field_of(fields, "deaths")) or 0
  local ran = on_key("HGET", quarantined, process_of(consumer)) == entry .. " " .. channel
  return (before == 0 or ran) and before + 1 or before
end

local function hand_on(channel, entry, consumer)
  local found = on_key("XRANGE", stream_key(channel), entry, entry)
  if #found == 0 then
    on_key("XACK", stream_key(channel), worker_group, entry)
    return
  end
  local fields = found[1][2]
  local deaths = count_deaths(channel, entry, fields, consumer)
  local reason = runs_once(channel, fields) and "its worker died, and a request that is not safe runs once"
    or deaths >= deliveries and "its worker died, " .. deaths .. " times"
    or #fields > most_fields and "its worker died, and it is unreadable"
  if reason then
    dead_letter(plan, channel, entry, fields, reason, kept, refusals)
    new_dead_letters[#new_dead_letters + 1] = channel
    new_dead_letters[#new_dead_letters + 1] = field_of(fields, "id") or ""
  else
    put_back(channel, entry, fields, "deaths", deaths)
  end
end

-- Returns how much may still be done.
local function empty_consumer(channel, consumer, left)
  local held = on_key("XPENDING", stream_key(channel), worker_group, "-", "+", left, consumer)
  for _, entry in ipairs(held) do hand_on(channel, entry[1], consumer) end
  if #held < left then
    redis.call("XGROUP", "DELCONSUMER", stream_key(channel), worker_group, consumer)
  end
  return left - #held
end

-- Returns the channels that the process listened to, and all its ids. If its info is missing, it may
-- have listened to any channel.
local function read_own()
  local info = read_process_info(process)
  if not info then return read_all_process_info(), {[process] = true} end
  info.previous_ids[process] = true
  return info.channels, info.previous_ids
end

local function empty_channels(left)
  local channels, ids = read_own()
  for channel in pairs(channels) do
    local consumers = redis.pcall("XINFO", "CONSUMERS", stream_key(channel), worker_group)
    for _, consumer in ipairs(consumers.err and {} or consumers) do
      if left > 0 and ids[process_of(consumer[2])] then
        left = empty_consumer(channel, consumer[2], left)
      end
    end
  end
  if left > 0 then
    for id in pairs(ids) do on_key("HDEL", quarantined, id) end
  end
  return left
end

local function close_connections(cursor)
  local found = on_key("HSCAN", connections_key(process), cursor, "COUNT", limit)
  for at = 1, #found[2], 2 do
    local reply = found[2][at]
    local record = server_of(reply) == process and read_record(reply)
    if record and is_kept(reply) then park(reply, "1006")
    elseif record then close_connection(reply, record, "1006")
    else on_key("HDEL", connections_key(process), reply) end
  end
  return found[1], bound_parked(tonumber(ARGV[8]))
end

if from == "" then
  local left = empty_channels(limit)
  write_outbox(plan)
  return {left > 0 and "0" or "", unpack(new_dead_letters)}
end

-- Returns the next cursor. A user of an older release may not run SSCAN: that is one step.
local function leave_groups(cursor)
  local found = redis.pcall("SSCAN", groups_key(process), cursor, "COUNT", limit)
  if found.err then found = {"0", on_key("SMEMBERS", groups_key(process))} end
  for _, group in ipairs(found[2]) do on_key("HDEL", group_key(group), process) end
  return found[1]
end

local groups_at = string.match(from, "^groups (%d+)$")
if not groups_at then
  local cursor, ended = close_connections(string.match(from, "%d+"))
  if cursor ~= "0" or ended > 0 then return {"at " .. cursor .. ", ended " .. ended} end
end
groups_at = leave_groups(groups_at or "0")
if groups_at ~= "0" then return {"groups " .. groups_at} end
redis.call("UNLINK", groups_key(process), inbox_key(process), ended_key(process))
on_key("HDEL", process_info, process)
on_key("SREM", awaiting_cleanup, process)
return {"done"}
