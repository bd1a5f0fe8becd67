-- outbox.lua: carry out the sends, joins and leaves of a consumer (a part of the other scripts).
-- Needs keys.lua, join.lua, delayed.lua and history.lua; with several shards log.lua.
--
-- An operation is four arguments: kind, target, value, capacity.
--   s  send   target channel, value payload, capacity of that channel
--   g  send   target group, value payload, capacity of its ordinary channels (full ones are skipped)
--   h  send to a group with history: as g, with "<capacity>:<limits>" (history.lua), with several shards
--      "<home>@<capacity>:<limits>"
--   d  delay  target channel, value payload, "<capacity of asgi.delay>:<capacity of that channel>:
--             <delay in microseconds>:<message id>"
--   j  join   target group, value channel; with several shards, the home of an ordinary one
--   l  leave  target group, value channel
-- Each server gets one inbox entry (of up to 1,000 operations) whose fields are
-- "<kind><target>" and the value. To a server that takes positions, a send to a group with history is
-- p instead of g, with "<epoch>:<offset>:<payload>". What concerns other shards goes to the log (log.lua).
--
-- plan.heard is the place in the log of another shard of what follows: h<shard> and "<epoch>:<seq>". It
-- stands in the inbox before that. Nothing is logged then but positions. plan.again says that it was
-- applied before, so that it is only for servers.

local pairs_per_entry = 1000

local function new_plan()
  return {inboxes = {}, servers = {}, streams = {}, joins = {}, lengths = {}, members = {},
          alive = {}, channel_joins = {}, later = {}, histories = {}, kept = {}, takes = {},
          kept_joins = {}}
end

local function is_alive(plan, server)
  if plan.alive[server] == nil then
    plan.alive[server] = on_key("HEXISTS", processes, server) == 1
  end
  return plan.alive[server]
end

-- Does a server know positions? One of an older release does not.
local function takes_positions(plan, server)
  if plan.takes[server] == nil then
    local info = on_key("HGET", process_info, server)
    plan.takes[server] = not info or string.find(info, '"positions"', 1, true) ~= nil
  end
  return plan.takes[server]
end

local function members_of(plan, group)
  if not plan.members[group] then
    local found = {}
    for _, member in ipairs(on_key("HKEYS", group_key(group))) do found[member] = true end
    plan.members[group] = found
  end
  return plan.members[group]
end

local function plan_inbox(plan, server, field, value)
  local operations = plan.inboxes[server]
  if not operations then
    operations = {}
    plan.inboxes[server] = operations
    plan.servers[#plan.servers + 1] = server
  end
  if plan.heard and operations.heard ~= plan.heard then  -- shards
    operations.heard = plan.heard  -- shards
    operations[#operations + 1] = plan.heard[1]  -- shards
    operations[#operations + 1] = plan.heard[2]  -- shards
  end  -- shards
  operations[#operations + 1] = field
  operations[#operations + 1] = value
  return #operations / 2
end

-- Returns the channel if it is full.
local function plan_stream(plan, channel, id, payload, capacity, position)
  if plan.again then return nil end  -- shards
  local length = plan.lengths[channel] or on_key("XLEN", stream_key(channel))
  if length >= tonumber(capacity) then return channel end
  plan.lengths[channel] = length + 1
  plan.streams[#plan.streams + 1] = {channel, id, payload, position}
end

-- Returns "asgi.delay" if too many messages are delayed. *number* keeps the order of equal delays.
local function plan_later(plan, channel, number, payload, rest)
  local most, capacity, delay, id = string.match(rest, "^(%d+):(%d+):(%d+):(%w+)$")
  if on_key("ZCARD", delayed) + #plan.later >= tonumber(most) then return "asgi.delay" end
  plan.later[#plan.later + 1] =
    {id, now() + tonumber(delay) + number, capacity .. ":" .. channel .. ":" .. payload}
end

-- *position* is that of a message to a group with history, or nil.
local function plan_group_send(plan, group, id, payload, capacity, position)
  if not position and not plan.heard then  -- shards
    plan_log(plan, "g", "*", group, id .. " " .. capacity, payload)  -- shards
  end  -- shards
  for member in pairs(members_of(plan, group)) do
    local channel = string.match(member, "^%*(.*)$")
    if channel then
      plan_stream(plan, channel, id, payload, capacity, position)  -- a full channel is skipped
    elseif position and is_alive(plan, member) and takes_positions(plan, member) then
      plan_inbox(plan, member, "p" .. group, position .. ":" .. payload)
    elseif is_alive(plan, member) then
      plan_inbox(plan, member, "g" .. group, payload)
    end
  end
end

local function plan_kept_send(plan, group, id, payload, rest)
  local home, there = string.match(rest, "^(%w+)@(.*)$")  -- shards
  rest = there or rest  -- shards
  if home and home ~= this_shard then  -- shards
    return plan_log(plan, "h", home, group, id .. " " .. rest, payload)  -- shards
  end  -- shards
  local history = plan.histories[group]
  if not history then
    history = read_history(group, id)
    plan.histories[group] = history
    plan.kept[#plan.kept + 1] = {group, history, read_limits(rest)}
  end
  local position = plan_kept(history, payload)
  plan_group_send(plan, group, id, payload, string.match(rest, "^%d+"), position)
  plan_log(plan, "p", "*", group, id .. " " .. rest .. " " .. position, payload)  -- shards
end

-- Plan to replay a message to one reply channel.
local function plan_replay(plan, server, group, reply, position, payload)
  if takes_positions(plan, server) then
    plan_inbox(plan, server, "y" .. reply, group .. ":" .. position .. ":" .. payload)
  else
    plan_inbox(plan, server, "s" .. reply, payload)
  end
end

local function plan_join(plan, group, channel, home)
  local shard = shard_elsewhere(channel)  -- shards
  if shard then return plan_log(plan, "j", shard, group, "", channel) end  -- shards
  local server, is_member = server_of(channel), true
  if not server then
    plan_for_all(plan, "j", group, home, channel)  -- shards
    is_member = home == this_shard  -- shards
    members_of(plan, group)["*" .. channel] = is_member or nil
    plan.channel_joins[#plan.channel_joins + 1] = {group, channel, not is_member}
  elseif is_alive(plan, server) then
    members_of(plan, group)[server] = true
    local position = plan_inbox(plan, server, "j" .. group, channel)
    plan.joins[#plan.joins + 1] = {group, server, position}
  end
  if server and is_kept(channel) then plan.kept_joins[#plan.kept_joins + 1] = {channel, group, true} end
end

local function plan_leave(plan, group, channel)
  local shard = shard_elsewhere(channel)  -- shards
  if shard then return plan_log(plan, "l", shard, group, "", channel) end  -- shards
  local server = server_of(channel)
  if not server then
    plan_for_all(plan, "l", group, "", channel)  -- shards
    members_of(plan, group)["*" .. channel] = nil
    plan.channel_joins[#plan.channel_joins + 1] = {group, channel, true}
  elseif is_alive(plan, server) then
    plan_inbox(plan, server, "l" .. group, channel)
  end
  if server and is_kept(channel) then plan.kept_joins[#plan.kept_joins + 1] = {channel, group, false} end
end

-- Returns the channel if it is full.
local function plan_send(plan, channel, id, payload, capacity)
  local shard = shard_elsewhere(channel)  -- shards
  if shard then return plan_log(plan, "s", shard, channel, "", payload) end  -- shards
  local server = server_of(channel)
  if not server then return plan_stream(plan, channel, id, payload, capacity) end
  if is_alive(plan, server) then plan_inbox(plan, server, "s" .. channel, payload) end
end

-- Plan the operations from ARGV[first] to ARGV[last], by default all, without a write. Returns the name of
-- a full channel.
local function plan_outbox(plan, first, parent, last)
  local number = 0
  for at = first, last or #ARGV, 4 do
    local kind, target, value, capacity = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
    number = number + 1
    local id, full = parent .. "." .. number, nil
    if kind == "s" then full = plan_send(plan, target, id, value, capacity)
    elseif kind == "g" then plan_group_send(plan, target, id, value, capacity)
    elseif kind == "h" then plan_kept_send(plan, target, id, value, capacity)
    elseif kind == "d" then full = plan_later(plan, target, number, value, capacity)
    elseif kind == "j" then plan_join(plan, target, value, capacity)
    elseif kind == "l" then plan_leave(plan, target, value)
    end
    if full then return full end
  end
end

-- Plan the release that tells the server of a finished message or, if the connection *ends* with it, of
-- the end.
local function plan_release(plan, reply, record, ends)
  local server = server_of(reply)
  ends = ends or record.state == "d"
  if (record.state == "c" and not ends) or not is_alive(plan, server) then return end
  if ends then plan_inbox(plan, server, "e" .. reply, "")
  else plan_inbox(plan, server, "r" .. reply, record.order) end
end

-- Write the operations of one server. Returns the entry ids.
local function write_inbox(server, operations)
  local entries = {}
  for at = 1, #operations, 2 * pairs_per_entry do
    local last = math.min(at + 2 * pairs_per_entry - 1, #operations)
    entries[#entries + 1] = on_key("XADD", inbox_key(server), "*", unpack(operations, at, last))
  end
  return entries
end

local function write_outbox(plan)
  local entries = {}
  for _, server in ipairs(plan.servers) do
    entries[server] = write_inbox(server, plan.inboxes[server])
  end
  for _, join in ipairs(plan.joins) do
    local group, server, position = unpack(join)
    join_server(group, server, entries[server][math.ceil(position / pairs_per_entry)])
  end
  for _, change in ipairs(plan.kept_joins) do note_kept(unpack(change)) end
  for _, change in ipairs(plan.channel_joins) do
    local group, channel, leaves = unpack(change)
    if leaves then leave_channel(group, channel) else join_channel(group, channel) end
  end
  for _, message in ipairs(plan.streams) do
    local channel, id, payload, position = unpack(message)
    if position then
      on_key("XADD", stream_key(channel), "*", "id", id, "payload", payload, "position", position)
    else
      on_key("XADD", stream_key(channel), "*", "id", id, "payload", payload)
    end
  end
  for _, message in ipairs(plan.later) do
    local id, due, value = unpack(message)
    set_due(id, due)
    on_key("HSET", delayed_messages, id, value)
  end
  for _, kept in ipairs(plan.kept) do write_history(plan.histories, unpack(kept)) end
  if plan.log then write_log(plan.log) end  -- shards
end
