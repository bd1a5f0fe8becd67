-- claim_puller.lua: claim to be the only process that applies the logs of other shards here, or renew
-- that.
-- include: keys.lua epoch.lua log.lua delayed.lua relayed.lua marks.lua
--
-- KEYS[1]  prefix
-- ARGV     1 token, 2 for how many microseconds, "0" to give the claim up
-- reads    processes
-- writes   puller
-- returns  1; 0 if another one has claimed it
--
-- A claim whose time is over holds until another one is made. A token may begin with a process,
-- "<process id>z<hexadecimal digits>": such a claim is void when the process is not registered here.

local token, duration = ARGV[1], ARGV[2]

local transient = relay_error()
if transient then return transient end
local time = now()
local known, since, lasts = claim_of_puller()

-- A claim from the future is from before the clock of Redis was set back.
local function holds()
  local process = string.match(known, "^([%w-]+)z%x+$")
  if process and on_key("HEXISTS", processes, process) == 0 then return false end
  return since <= time and time < since + lasts
end

if known and known ~= token and holds() then return 0 end
on_key("SET", puller, token .. ":" .. string.format("%.0f", time) .. ":" .. duration)
return 1
