-- kept.lua: kept connections, which may wait for their client and move to another server (a part of the
-- other scripts). Needs keys.lua, connection.lua and delayed.lua.
--
-- kept:<reply> is a hash of what differs from a connection that was never lost:
--   server     the server that has it now, if not the one in its name
--   resumes    how many of its messages are websocket.resume
--   parked     the close code of its disconnect, while it waits for its client
--   adoption   "<id of the last adoption>:<the server before it, or "" if that was dead>:<id of the
--              adoption before it, or "">"
--   g<group>   "" for each group that it is in
-- parked maps each waiting connection to the time when its disconnect is due, in microseconds since 1970
-- by the clock of Redis.

-- A server asks about a kept connection as "<reply channel>@<server>.<adoption by which it has it, or "">".
-- Returns the three; the last two are nil for another connection.
local function read_asked(text)
  if not is_kept(text) then return text end
  local reply, server, adoption = string.match(text, "^(.+)@([%w-]+)%.(%x*)$")
  return reply or text, server, adoption
end

-- The adoption by which a server has the connection, or "" for its first server.
local function adoption_of(reply)
  return string.match(on_key("HGET", kept_key(reply), "adoption") or "", "^%x+") or ""
end

-- How long the connection is kept, in microseconds.
local function kept_time(reply)
  return (tonumber(string.match(reply, "!kept%.(%d+)%.")) or 0) * 1000000
end

local function set_parked(reply, code)
  on_key("HSET", kept_key(reply), "parked", code)
  on_key("ZADD", parked, string.format("%.0f", now() + kept_time(reply)), reply)
end

-- Let the connection wait for its client. Returns what park.lua does.
local function park(reply, code)
  local record = read_record(reply)
  if not record then return "gone" end
  if on_key("HEXISTS", kept_key(reply), "parked") == 1 then return "repeated" end
  if record.state == "c" or record.state == "d" then return "gone" end
  set_parked(reply, code)
  return "parked"
end

local function unpark(reply)
  if not is_kept(reply) then return end
  on_key("ZREM", parked, reply)
  on_key("HDEL", kept_key(reply), "parked")
end

-- Let the wait of a connection end with its disconnect. It may be adopted until a worker takes that.
local function end_parked(reply)
  on_key("ZREM", parked, reply)
  local record, code = read_record(reply), on_key("HGET", kept_key(reply), "parked")
  if not record then redis.call("DEL", kept_key(reply)) end
  if not record or not code then return end
  local server = server_of(reply)
  if close_connection(reply, record, code) == "withdrawn" and on_key("HEXISTS", processes, server) == 1 then
    on_key("XADD", inbox_key(server), "*", "e" .. reply, "")  -- no disconnect will tell it
  end
end

-- End the oldest ones of those that are too many. Returns how many.
local function bound_parked(most)
  local ended = 0
  while on_key("ZCARD", parked) > most and ended < 1000 do
    end_parked(on_key("ZRANGE", parked, 0, 0)[1])
    ended = ended + 1
  end
  return ended
end

-- End those that are due. Returns how many, and when the next one is due, or nil.
local function end_due(time, most)
  local due = on_key("ZRANGE", parked, "-inf", string.format("%.0f", time), "BYSCORE", "LIMIT", 0, most)
  for _, reply in ipairs(due) do end_parked(reply) end
  local last = on_key("ZRANGE", parked, -1, -1, "WITHSCORES")
  if #last == 0 then return #due end
  if tonumber(last[2]) > time + kept_time(last[1]) then  -- the clock of Redis was set back
    on_key("ZADD", parked, string.format("%.0f", time + kept_time(last[1])), last[1])
  end
  return #due, tonumber(on_key("ZRANGE", parked, 0, 0, "WITHSCORES")[2])
end

-- Do all processes know kept connections, and does a worker hear of this, now or once there is one?
local function look_at_processes()
  local hears, takes_sockets = false, false
  for _, process in ipairs(on_key("HKEYS", processes)) do
    local info = on_key("HGET", process_info, process)
    if info then
      if not string.find(info, '"resumes"', 1, true) then return false end
      hears = hears or string.find(info, '"websocket.resume"', 1, true) ~= nil
      takes_sockets = takes_sockets or string.find(info, '"websocket.connect"', 1, true) ~= nil
    end
  end
  return true, hears or not takes_sockets
end
