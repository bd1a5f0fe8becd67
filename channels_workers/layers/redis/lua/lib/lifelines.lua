-- lifelines.lua: the connections that show at once that a process has died (a part of the other
-- scripts). Needs keys.lua and epoch.lua.
--
-- lifelines maps a process to the run id of the Redis behind its lifeline: a connection that subscribes
-- to "<prefix>lifeline:<process>", and to which nobody publishes. The system of the process closes it.

local lifelines = prefix .. "lifelines"

-- Does this Redis know no connection any more of the process that subscribes? *run_id* is the run of
-- which it has noted a lifeline. If Redis was restarted, or is another one after a failover, its data
-- still name the run of before, and nobody has come back: nothing is cut then.
local function is_cut(process, run_id)
  return run_id and run_id == on_key("GET", run)
    and redis.call("PUBSUB", "NUMSUB", prefix .. "lifeline:" .. process)[2] == 0
    and not transient_error("")
end
