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
-- id of the Redis that its connection leads to: INFO need not be asked then, which takes a third of a script.
local function is_other_run(begun_in)
  if not begun_in then return true end
  if KEYS[2] == run .. ":" .. begun_in then return false end
  return not string.find(redis.call("INFO", "server"), "run_id:" .. begun_in, 1, true)
end

local function begin_epoch(name)
  redis.call("SET", epoch, name)
  redis.call("SET", run, string.match(redis.call("INFO", "server"), "run_id:(%x+)"))
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
  if registering then
    return redis.error_reply("RECOVERING Redis has lost its data; all register again")
  end
end
