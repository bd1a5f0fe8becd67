-- lifelines.lua: the connections that show at once that a process has died (a part of the other
-- scripts). Needs keys.lua.
--
-- lifelines maps a process to the run id of the Redis behind its lifeline: a connection that subscribes
-- to "<prefix>lifeline:<process>", and to which nobody publishes. The system of the process closes it.

local lifelines = prefix .. "lifelines"

-- Does this Redis know no connection of the process that subscribes?
local function is_cut(process)
  return redis.call("PUBSUB", "NUMSUB", prefix .. "lifeline:" .. process)[2] == 0
end
