-- epoch.lua: the name of the life of the data in Redis (a part of the other scripts).
-- Needs keys.lua.
--
-- epoch  a random name, made by the first process that finds none, or that the data are not what
--        they were: missing, older than it knows, or those of a Redis that was started again
-- run    the run id of the Redis in which this epoch began

local run = prefix .. "run"

local function run_id() return string.match(redis.call("INFO", "server"), "run_id:(%x+)") end

-- Was Redis started again, perhaps without the last that it was told?
local function is_other_run() return redis.call("GET", run) ~= run_id() end

local function begin_epoch(name)
  redis.call("SET", epoch, name)
  redis.call("SET", run, run_id())
  return name
end
