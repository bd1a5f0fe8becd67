-- epoch.lua: the epoch, which names one life of the data in Redis (a part of the other scripts).
-- Needs keys.lua.
--
-- epoch  a random name. A process makes a new one if it finds none, if data are missing or older
--        than it knows, or if Redis was restarted.
-- run    the run id of the Redis in which this epoch began

local run = prefix .. "run"
local recovering = prefix .. "recovering"
local recovered = prefix .. "recovered"
local logs = prefix .. "logs"

local function log_key(of) return prefix .. "log:" .. of end

-- Was Redis restarted, perhaps without its last writes? *begun_in* is the value of run. All run ids
-- have the same length. KEYS[2] is optional: the key of run, a colon, and the run id of the Redis
-- behind the caller's connection, or "?" if its user may not run INFO. It saves the call of INFO,
-- which takes a third of the time of a script.
local function is_other_run(begun_in)
  if not begun_in then return true end
  if KEYS[2] == run .. ":" .. begun_in or KEYS[2] == run .. ":?" then return false end
  local info = redis.pcall("INFO", "server")
  return type(info) == "string" and not string.find(info, "run_id:" .. begun_in, 1, true)
end

-- Returns the epoch, or nil without a readable one, and the run in which it began.
local function read_epoch()
  local current, begun_in = unpack(redis.call("MGET", epoch, run))
  return current and string.match(current, "^%w+$"), begun_in
end

-- Forget the logs (log.lua) of epochs that have ended.
local function forget_logs()
  for _, of in ipairs(on_key("HKEYS", logs)) do
    if of ~= ":dropped" then
      redis.call("UNLINK", log_key(of))
      on_key("HDEL", logs, of)
    end
  end
end

local function begin_epoch(name)
  local info = redis.pcall("INFO", "server")
  redis.call("SET", epoch, name)
  redis.call("SET", run, type(info) == "table" and "" or string.match(info, "run_id:(%x+)"))
  forget_logs()  -- shards
  return name
end

-- Returns a transient error if the script must wait: Redis seems to have lost its data, or all
-- processes are registering again. *known* is the epoch that the caller knows, or "".
local function transient_error(known)
  local current, begun_in, registering = unpack(redis.call("MGET", epoch, run, recovering))
  if current and is_other_run(begun_in) then
    return redis.error_reply("LOST Redis was restarted")
  end
  if known and known ~= "" and current ~= known then
    return redis.error_reply("LOST Redis has lost its data")
  end
  if registering and registering ~= "" then
    return redis.error_reply("RECOVERING Redis has lost its data; all processes register again")
  end
end
