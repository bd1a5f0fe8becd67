-- log.lua: what this shard has for the others, in one log (a part of the other scripts).
-- Needs keys.lua and epoch.lua.
--
-- Only scripts for several shards have it: lines that end with a comment of the word "shards" are not in
-- those for one (scripts.py). KEYS[3] is "<prefix>shards:<this one>:<the others, with
-- commas>:<entries of a log at most>:<its bytes>:<the first one>". The first one has the channels whose names
-- have no shard, of when it was alone.
--
-- log:<epoch> is a stream with an entry "<seq>-0" for each step that concerns other shards. A step with more
-- than 999 such operations makes several. logs maps the epoch to the newest seq, from 1 on without
-- holes, and ":dropped" to the number of entries that were dropped before all shards had them. An entry
-- has operations, four values each: kind and destination (a shard, or "*" for all others), target,
-- "<message id> <rest>" or "", value.
--   s  send to a reply channel, value payload
--   k  keep the session of a reply channel, value session
--   g  send to a group, rest capacity of its ordinary channels
--   h  send to a group with history, whose home is the destination; rest "<capacity>:<limits>" (history.lua)
--   p  send to a group with history, from its home, rest "<capacity>:<limits> <position>"
--   j  join, value channel; for an ordinary one to "*", with its home instead of an id: on the others it
--      leaves
--   l  leave, value channel
--   f  a flush has deleted all entries before this one
-- processed maps each of the others to "<epoch>:<seq>": how far it has applied our log.

local processed = prefix .. "processed"
local logged_at_once = 999

local this_shard = string.match(KEYS[3], "^shards:(%w+):", #prefix + 1)
local first_shard = string.match(KEYS[3], ":(%w+)$")

-- Returns the others, LOG_ENTRIES and LOG_BYTES.
local function read_shards()
  local others, entries, bytes = string.match(KEYS[3], "^shards:%w+:([%w,]*):(%d+):(%d+):%w+$", #prefix + 1)
  return others, tonumber(entries), tonumber(bytes)
end

-- The shard of a reply channel "<shard>-<id>!<random>" of another shard, or nil.
local function shard_elsewhere(channel)
  local shard = string.match(channel, "^([%l%d]+)%-[^!]+!")
  if not shard and string.find(channel, "!", 1, true) then shard = first_shard end
  return shard ~= this_shard and shard or nil
end

local function plan_log(plan, kind, destination, target, about, value)
  local log = plan.log or {bytes = 0}
  plan.log = log
  local at = #log
  log[at + 1], log[at + 2], log[at + 3], log[at + 4] = kind .. destination, target, about, value
  log.bytes = log.bytes + #value
end

-- Plan that all others do what this shard does, unless it does that for another one.
local function plan_for_all(plan, kind, target, about, value)
  if not plan.heard then plan_log(plan, kind, "*", target, about, value) end
end

-- The next seq of this epoch. If the counter was lost, the log goes on after its last entry.
local function next_seq(of)
  local seq = redis.pcall("HINCRBY", logs, of, 1)
  if type(seq) == "number" and seq > 1 then return seq end
  local last = on_key("XREVRANGE", log_key(of), "+", "-", "COUNT", 1)[1]
  seq = (last and tonumber(string.match(last[1], "^%d+")) or 0) + 1
  on_key("HSET", logs, of, seq)
  return seq
end

-- How far a shard has applied our log of this epoch, or nil if it is not known in it.
local function processed_by(shard, of)
  local known, seq = string.match(on_key("HGET", processed, shard) or "", "^(%w+):(%d+)$")
  return known == of and tonumber(seq) or nil
end

-- The lowest seq up to which all others have applied our log.
local function processed_by_all(of)
  local lowest = math.huge
  for shard in string.gmatch(read_shards(), "%w+") do
    lowest = math.min(lowest, processed_by(shard, of) or 0)
  end
  for _, shard in ipairs(on_key("HKEYS", processed)) do  -- some that this process does not know yet
    lowest = math.min(lowest, processed_by(shard, of) or math.huge)
  end
  return lowest
end

-- Returns how many entries of a log of this length are kept.
local function kept_in(key, length)
  local _, most, bytes = read_shards()
  local used = redis.call("MEMORY", "USAGE", key) or 0
  if used > bytes then length = math.floor(length * bytes / used * 0.9) end
  return math.max(1, math.min(most, length))
end

-- Drop the oldest entries of a log that is too long or too large. Those behind see a gap.
local function bound_log(of)
  local key = log_key(of)
  local before = on_key("XLEN", key)
  local length, kept = before, kept_in(key, before)
  while kept < length do
    on_key("XTRIM", key, "MAXLEN", kept)
    length, kept = kept, kept_in(key, kept)
  end
  if length == before then return end
  local first = on_key("XRANGE", key, "-", "+", "COUNT", 1)[1]
  local missed = tonumber(string.match(first[1], "^%d+")) - 1 - processed_by_all(of)
  if missed > 0 then on_key("HINCRBY", logs, ":dropped", math.min(missed, before - length)) end
end

-- Note that the others exist: the log is kept for one that is new from now on.
local function know_others(of)
  for shard in string.gmatch(read_shards(), "%w+") do
    if not processed_by(shard, of) then
      on_key("HSET", processed, shard, of .. ":" .. (tonumber(on_key("HGET", logs, of)) or 0))
    end
  end
end

-- Begin an epoch if nobody is registered yet: a log has its name. Returns that.
local function begin_log()
  local time = redis.call("TIME")
  local of = begin_epoch(string.sub(redis.sha1hex(KEYS[3] .. time[1] .. "." .. time[2]), 1, 16))
  know_others(of)
  return of
end

-- Append the planned operations. The bounds are looked at now and then.
local function write_log(log)
  local of, seq, made = on_key("GET", epoch) or begin_log(), nil, 0
  for at = 1, #log, 4 * logged_at_once do
    seq, made = next_seq(of), made + 1
    on_key("XADD", log_key(of), seq .. "-0", unpack(log, at, math.min(at + 4 * logged_at_once - 1, #log)))
  end
  if seq % 16 < made or log.bytes > 65536 then bound_log(of) end
end
