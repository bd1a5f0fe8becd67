-- history.lua: the newest messages of groups (a part of the other scripts).
-- Needs keys.lua and delayed.lua.
--
-- histories maps a group to "<epoch of the data>:<epoch>:<offset>:<bytes>": the epoch in which it began
-- (epoch.lua), its own epoch, the offset of its newest message, and the bytes that it counts. Its field
-- ":bytes" has the bytes of all, and ":expires" when the key expires (ms since 1970).
-- history_order has each group with the time of its last message or join (ms since 1970).
-- history:<group> is a stream with an entry "<offset>-0" for each message, with at (ms since 1970) and
-- payload.
--
-- Limits are "<messages>:<bytes>:<ms>:<bytes of all>:<ms for which a history is remembered>". A message
-- counts 100 bytes more than its payload, a history 300.

local histories = prefix .. "histories"
local history_order = prefix .. "history_order"
local message_cost = 100
local history_cost = 300
local forgotten_at_once = 100

local function history_key(group) return prefix .. "history:" .. group end

local function whole(number) return string.format("%.0f", number) end

local function read_limits(text)
  local messages, bytes, age, all, life = string.match(text, "(%d+):(%d+):(%d+):(%d+):(%d+)$")
  return {messages = tonumber(messages), bytes = tonumber(bytes), age = tonumber(age),
          all = tonumber(all), life = tonumber(life)}
end

-- Returns the history of a group, without a write. One that is not of this life of the data begins anew,
-- with an epoch made of *seed*, the id of a message: its offsets may have had other messages. A seed
-- "=<epoch>" is the epoch itself.
local function read_history(group, seed)
  local current = on_key("GET", epoch) or ""
  local of, name, last, bytes = string.match(
    on_key("HGET", histories, group) or "", "^(%w*):(%x+):(%d+):(%d+)$")
  if name and of == current then
    return {of = of, name = name, last = tonumber(last), bytes = tonumber(bytes), added = {},
            counted = bytes + history_cost}
  end
  local name_of_new = string.sub(redis.sha1hex(current .. ":" .. seed), 1, 16)
  name_of_new = string.match(seed, "^=(%x+)$") or name_of_new  -- shards
  return {of = current, name = name_of_new, last = 0, bytes = 0, added = {}, counted = name and bytes + history_cost or 0, begins = true}
end

-- Plan to keep a message. Returns its position.
local function plan_kept(history, payload)
  history.added[#history.added + 1] = payload
  history.last = history.last + 1
  return history.name .. ":" .. whole(history.last)
end

-- Plan to keep a message in the copy of a history of another shard, under the position that it has there. A
-- copy that misses one begins anew: those who come back see a gap.
local function plan_copied(history, name, offset, payload)
  if history.name ~= name or offset > history.last + 1 then
    history.name, history.last, history.bytes, history.added, history.begins = name, offset - 1, 0, {}, true
  end
  if offset == history.last + 1 then plan_kept(history, payload) end
end

-- Of the messages that are *left*, delete those that are too many, too large together, or too old.
local function trim_history(key, history, limits, time, left)
  local from, count, first = "-", 2, nil
  while left > 0 and from do
    local found = on_key("XRANGE", key, from, "+", "COUNT", count)
    from, count = nil, 50
    for _, entry in ipairs(found) do
      local at = tonumber(field_of(entry[2], "at")) or 0
      if left <= limits.messages and history.bytes <= limits.bytes and at > time - limits.age then
        from = nil
        break
      end
      left = left - 1
      history.bytes = math.max(0, history.bytes - #(field_of(entry[2], "payload") or "") - message_cost)
      from, first = "(" .. entry[1], entry[1]
    end
  end
  if first then on_key("XTRIM", key, "MINID", whole(tonumber(string.match(first, "^%d+")) + 1)) end
end

-- Add to the bytes of all histories; return them.
local function count_bytes(more)
  local total = math.max(0, (tonumber(on_key("HGET", histories, ":bytes")) or 0) + more)
  on_key("HSET", histories, ":bytes", whole(total))
  return total
end

local function forget_history(group)
  local bytes = string.match(on_key("HGET", histories, group) or "", ":(%d+)$")
  redis.call("UNLINK", history_key(group))
  on_key("HDEL", histories, group)
  on_key("ZREM", history_order, group)
  return count_bytes(bytes and -bytes - history_cost or 0)
end

-- Forget the histories that nobody has used for long. While all together are too large, forget those
-- used least recently. Those of the groups in *used* are written by this script.
local function forget_histories(used, total, limits, time)
  local passed_over = 0  -- uses of one millisecond have no order
  for _ = 1, forgotten_at_once do
    local group, at = unpack(on_key("ZRANGE", history_order, passed_over, passed_over, "WITHSCORES"))
    if not group or total <= limits.all and tonumber(at) > time - limits.life then return end
    if used[group] then passed_over = passed_over + 1 else total = forget_history(group) end
  end
end

-- Let the keys of all histories expire an hour later than they must, so that this is rarely put off.
local function keep_until(expires, time)
  if (tonumber(on_key("HGET", histories, ":expires")) or 0) >= expires then return end
  expires = expires + 3600000
  on_key("HSET", histories, ":expires", whole(expires))
  on_key("PEXPIRE", histories, whole(expires - time))
  on_key("PEXPIRE", history_order, whole(expires - time))
end

-- Write a history, with the messages planned. *used* has the groups of all that this script writes.
local function write_history(used, group, history, limits)
  local key, time = history_key(group), math.floor(now() / 1000)
  if history.begins then redis.call("UNLINK", key) end
  local offset, left = history.last - #history.added, on_key("XLEN", key)
  if left == 0 then history.bytes = 0 end  -- it may have expired
  for number, payload in ipairs(history.added) do
    on_key("XADD", key, whole(offset + number) .. "-0", "at", whole(time), "payload", payload)
    history.bytes = history.bytes + #payload + message_cost
  end
  if #history.added > 0 then on_key("PEXPIRE", key, limits.age) end
  trim_history(key, history, limits, time, left + #history.added)
  on_key("HSET", histories, group,
    history.of .. ":" .. history.name .. ":" .. whole(history.last) .. ":" .. whole(history.bytes))
  on_key("ZADD", history_order, whole(time), group)
  local total = count_bytes(history.bytes + history_cost - history.counted)
  keep_until(time + limits.life, time)
  forget_histories(used, total, limits, time)
end
