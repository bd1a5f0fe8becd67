-- claim_relay.lua: claim to be the only relay of a database, or renew that; forget sends.
-- include: keys.lua epoch.lua delayed.lua relayed.lua
--
-- KEYS[1]  prefix
-- ARGV     1 id of the database, 2 holder, 3 for how many microseconds, 4 "renews" if a claim of this
--          holder keeps its fencing token, or "", 5... keys of sends to forget
-- reads    processes
-- writes   relays, relayed
-- returns  {fencing token, the keys of the database that are remembered}; {""} (another relay has
--          claimed it)

local database, holder, duration = ARGV[1], ARGV[2], ARGV[3]

local transient = relay_error()
if transient then return transient end
local time = now()
local fence, known, since, lasts = claim_of(database)

-- Returns whether the process has died that has the claim. A holder is "<process>z<id>", or an id.
local function is_dead(claimant)
  local process = string.match(claimant, "^([%w-]+)z%x+$")
  return process and on_key("HEXISTS", processes, process) == 0
end

-- A claim from the future is from before the clock of Redis was set back.
if fence and known ~= holder and since <= time and time < since + lasts and not is_dead(known) then return {""} end
local written = string.format("%.0f", time)
if known ~= holder or ARGV[4] == "" then fence = written end
on_key("HSET", relays, database, fence .. ":" .. holder .. ":" .. written .. ":" .. duration)
for at = 5, #ARGV do on_key("HDEL", relayed, database .. ":" .. ARGV[at]) end
local reply, start = {fence}, database .. ":"
for _, field in ipairs(on_key("HKEYS", relayed)) do
  if string.sub(field, 1, #start) == start then reply[#reply + 1] = string.sub(field, #start + 1) end
end
return reply
