-- permissions.lua: return the commands that this user may not run on our keys.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- writes   permissions, for a moment
-- returns  command, error, command, error ...
--
-- The script tries each command on a string. A permitted one fails, as the type is wrong, without effect.

local probe = prefix .. "permissions"
local tried = {
  {"SET", probe, ""}, {"GET", probe}, {"SETNX", probe, ""}, {"MGET", probe}, {"TYPE", probe},
  {"EXISTS", probe}, {"RENAME", probe, probe}, {"MEMORY", "USAGE", probe}, {"TIME"},
  {"SCAN", "0", "COUNT", "1"}, {"UNLINK", probe .. ":none"},
  {"HGET", probe, ""}, {"HSET", probe, "", ""}, {"HDEL", probe, ""}, {"HKEYS", probe},
  {"HMGET", probe, ""}, {"HGETALL", probe}, {"HEXISTS", probe, ""}, {"HINCRBY", probe, "", "1"}, {"HLEN", probe},
  {"HSCAN", probe, "0"}, {"SADD", probe, ""}, {"SREM", probe, ""}, {"SMEMBERS", probe},
  {"SISMEMBER", probe, ""}, {"SCARD", probe}, {"LPUSH", probe, ""}, {"LPOS", probe, ""},
  {"LTRIM", probe, "0", "0"}, {"RPUSH", probe, ""}, {"LPOP", probe}, {"PEXPIRE", probe .. ":none", "1"}, {"ZADD", probe, "0", ""}, {"ZCARD", probe}, {"ZRANGE", probe, "0", "0"},
  {"ZREM", probe, ""}, {"XADD", probe, "*", "", ""}, {"XDEL", probe, "1"}, {"XLEN", probe},
  {"XTRIM", probe, "MAXLEN", "1"}, {"XRANGE", probe, "-", "+"},
  {"XREVRANGE", probe, "+", "-"}, {"XREAD", "STREAMS", probe, "0"},
  {"XREADGROUP", "GROUP", worker_group, "probe", "STREAMS", probe, ">"},
  {"XACK", probe, worker_group, "1"}, {"XPENDING", probe, worker_group},
  {"XGROUP", "CREATE", probe, worker_group, "0"},
  {"XGROUP", "DELCONSUMER", probe, worker_group, "probe"},
  {"XINFO", "CONSUMERS", probe, worker_group}, {"DEL", probe}}

local function is_refused(text)
  for _, part in ipairs({"permission", "can't run", "can't access", "ACL failure", "nknown"}) do
    if string.find(text, part, 1, true) then return true end
  end
  return false
end

local refused = {}
for _, command in ipairs(tried) do
  local reply = redis.pcall(unpack(command))
  if type(reply) == "table" and reply.err and is_refused(reply.err) then
    refused[#refused + 1] = string.lower(command[1])
    refused[#refused + 1] = reply.err
  end
end
return refused
