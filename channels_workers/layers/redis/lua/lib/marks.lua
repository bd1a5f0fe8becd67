-- marks.lua: how far this shard has applied the logs of the others, and who does it (a part of the other
-- scripts). Needs keys.lua and epoch.lua.
--
-- marks maps each other shard to "<its epoch>:<seq>:<our epoch>:<its past epochs, with commas>": this shard
-- has applied its log up to there. The third part is "" unless a server has brought the mark back after
-- a loss of data here. The first is "" if the servers disagreed.
-- puller is the claim of the process that applies the logs, "<token>:<since>:<duration>", in
-- microseconds since 1970 by the clock of Redis.

local marks = prefix .. "marks"
local puller = prefix .. "puller"

local past_epochs = 8

-- Returns the four parts of the mark of a shard; nil, 0, "" and "" without one.
local function mark_of(shard)
  local of, seq, by, past = string.match(
    on_key("HGET", marks, shard) or "", "^(%w*):(%d+):(%w*):([%w,]*)$")
  return of, tonumber(seq) or 0, by or "", past or ""
end

local function set_mark(shard, of, seq, by, past)
  on_key("HSET", marks, shard, of .. ":" .. string.format("%.0f", seq) .. ":" .. by .. ":" .. past)
end

-- Raise the mark of a shard, whose epoch was *known*. What comes late, of *past* epochs, is refused.
local function raise_mark(shard, of, seq, known, past)
  if known and known ~= "" and known ~= of then
    past = string.sub(known .. (past == "" and "" or ",") .. past, 1, past_epochs * (#known + 1))
  end
  set_mark(shard, of, seq, "", past)
end

local function is_past(of, past) return string.find("," .. past .. ",", "," .. of .. ",", 1, true) ~= nil end

-- Returns the parts of the claim, or nil without one.
local function claim_of_puller()
  local token, since, lasts = string.match(on_key("GET", puller) or "", "^([%w-]+):(%d+):(%d+)$")
  if token then return token, tonumber(since), tonumber(lasts) end
end

-- Note in the epoch *known* how far a server has heard the log of another shard.
local function note_heard(server, known, shard, of, seq)
  local marked, mark, by, past = mark_of(shard)
  if not marked then set_mark(shard, of, seq, known, "")
  elseif on_key("GET", recovering) == known then
    if marked == of then set_mark(shard, of, math.min(mark, seq), known, past)
    elseif by == known then set_mark(shard, "", 0, known, past)
    else set_mark(shard, of, seq, known, past) end
  elseif marked ~= of then  -- nobody knows which epoch is the newer one
    on_key("XADD", inbox_key(server), "*", "x" .. shard, "?")
  elseif seq < mark then
    local missed = of .. ":" .. seq + 1 .. "-" .. mark
    on_key("XADD", inbox_key(server), "*", "h" .. shard, of .. ":" .. mark, "x" .. shard, missed)
  end
end

-- *heard* is "<shard>:<epoch>:<seq> ...".
local function note_all_heard(server, known, heard)
  for shard, of, seq in string.gmatch(heard, "(%w+):(%w+):(%d+)") do
    note_heard(server, known, shard, of, tonumber(seq))
  end
end
