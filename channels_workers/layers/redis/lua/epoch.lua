-- epoch.lua: the name of the life of the data in Redis (a part of the other scripts).
-- Needs keys.lua.
--
-- epoch  a random name, made by the first process that finds none, or that the data are not what
--        they were: missing, older than it knows, or those of a Redis that was started again
-- run    the run id of the Redis in which this epoch began

local run = prefix .. "run"
local recovering = prefix .. "recovering"
local recovered = prefix .. "recovered"

-- Was Redis started again, perhaps without the last that it was told? *begun_in* is the value of run;
-- all run ids are of one length. KEYS[2], if the caller gives it, is the key of run, a colon, and the run
-- id of the Redis that its connection leads to, or a question mark if its user may not ask for it: INFO need
-- not be asked then, which takes a third of a script.
local function is_other_run(begun_in)
  if not begun_in then return true end
  if KEYS[2] == run .. ":" .. begun_in or KEYS[2] == run .. ":?" then return false end
  local info = redis.pcall("INFO", "server")
  return type(info) == "string" and not string.find(info, "run_id:" .. begun_in, 1, true)
end

-- Returns the epoch, nil without one that can be read, and the run in which it began.
local function read_epoch()
  local current, begun_in = unpack(redis.call("MGET", epoch, run))
  return current and string.match(current, "^%w+$"), begun_in
end

local function begin_epoch(name)
  local info = redis.pcall("INFO", "server")
  redis.call("SET", epoch, name)
  redis.call("SET", run, type(info) == "table" and "" or string.match(info, "run_id:(%x+)"))
  return name
end

-- The error of a script that must wait, because Redis has lost its data, as far as anybody knows, or
-- all processes register again what they hold. *known* is the epoch that the caller knows, or "".
local function not_now(known)
  local current, begun_in, registering = unpack(redis.call("MGET", epoch, run, recovering))
  if current and is_other_run(begun_in) then
    return redis.error_reply("LOST Redis was started again")
  end
  if known and known ~= "" and current ~= known then
    return redis.error_reply("LOST Redis has lost its data")
  end
  if registering and registering ~= "" then
    return redis.error_reply("RECOVERING Redis has lost its data; all register again")
  end
end
