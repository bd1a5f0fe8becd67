-- marks.lua: how far this shard has applied the logs of the others, and who does it (a part of the other
-- scripts). Needs keys.lua, epoch.lua and log.lua.
--
-- marks maps each other shard to "<its epoch>:<seq>:<once>:<our epoch>:<its past epochs, with commas>": this
-- shard has applied its log up to seq. After a loss of data here that is the lowest seq that a server has
-- heard, and entries come again: each server skips what it knows, and what no server can skip happens
-- only after the seq once, the highest. Our epoch is that of this recovery, if there was one, followed by
-- "s" for the mark of a snapshot. Its epoch is "" if the servers disagreed.
-- puller is the claim of the process that applies the logs, "<token>:<since>:<duration>", in
-- microseconds since 1970 by the clock of Redis.

local marks = prefix .. "marks"
local puller = prefix .. "puller"

local past_epochs = 8

-- Returns the five parts of the mark of a shard; nil, 0, 0, "" and "" without one.
local function mark_of(shard)
  local of, seq, once, by, past = string.match(
    on_key("HGET", marks, shard) or "", "^(%w*):(%d+):(%d+):(%w*):([%w,]*)$")
  return of, tonumber(seq) or 0, tonumber(once) or 0, by or "", past or ""
end

local function set_mark(shard, of, seq, once, by, past)
  on_key("HSET", marks, shard, string.format("%s:%.0f:%.0f:%s:%s", of, seq, once, by, past))
end

-- Raise the mark of a shard, whose epoch was *known*. What comes late, of *past* epochs, is refused.
local function raise_mark(shard, of, seq, known, once, past)
  if known ~= of then once = seq end
  if known and known ~= "" and known ~= of then
    past = string.sub(known .. (past == "" and "" or ",") .. past, 1, past_epochs * (#known + 1))
  end
  set_mark(shard, of, seq, math.max(seq, once), "", past)
end

local function is_past(of, past) return string.find("," .. past .. ",", "," .. of .. ",", 1, true) ~= nil end

-- Returns the parts of the claim, or nil without one.
local function claim_of_puller()
  local token, since, lasts = string.match(on_key("GET", puller) or "", "^([%w-]+):(%d+):(%d+)$")
  if token then return token, tonumber(since), tonumber(lasts) end
end

local function tell_gap(server, shard, what, heard)
  if heard then on_key("XADD", inbox_key(server), "*", "h" .. shard, heard, "x" .. shard, what)
  else on_key("XADD", inbox_key(server), "*", "x" .. shard, what) end
end

-- Note how far a server that comes back after the recovery has heard the log of a shard.
local function note_late(server, shard, of, seq)
  local marked, mark, once, by, past = mark_of(shard)
  if marked ~= of then return tell_gap(server, shard, "?") end
  if seq < mark then tell_gap(server, shard, of .. ":" .. seq + 1 .. "-" .. mark, of .. ":" .. mark) end
  set_mark(shard, of, mark, math.max(once, seq), by, past)
end

-- Note in the recovery of the epoch *known* how far a server has heard the log of a shard. A mark from
-- before is that of a snapshot, whose streams have what it says, and no more. If the server knows another
-- epoch than that, one of them is over, and nobody knows which.
local function note_heard(server, known, shard, of, seq)
  local marked, mark, once, by, past = mark_of(shard)
  if not marked then set_mark(shard, of, seq, seq, known, "")
  elseif on_key("GET", recovering) ~= known then note_late(server, shard, of, seq)
  elseif marked == of and by == known then
    set_mark(shard, of, math.min(mark, seq), math.max(once, seq), known, past)
  elseif by == known then set_mark(shard, "", 0, 0, known, past)
  else
    if marked ~= of then
      tell_gap(server, shard, "?")
      seq = 0
    end
    set_mark(shard, marked, math.min(mark, seq), once, known .. "s", past)
  end
end

-- *heard* is "<shard>:<epoch>:<seq> ...". What a server has missed of a shard that it has not heard of, nobody
-- can say.
local function note_all_heard(server, known, heard)
  local unheard = {}
  for shard in string.gmatch(read_shards(), "%w+") do unheard[shard] = true end
  for shard, of, seq in string.gmatch(heard, "(%w+):(%w+):(%d+)") do
    note_heard(server, known, shard, of, tonumber(seq))
    unheard[shard] = nil
  end
  for shard in pairs(unheard) do tell_gap(server, shard, "?") end
end
