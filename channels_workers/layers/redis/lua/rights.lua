-- rights.lua: which commands may this user not run, on keys of ours?
-- include: keys.lua
--
-- KEYS[1]  prefix
-- writes   rights, for a moment
-- returns  command, error, command, error ...
--
-- Each is tried on a string: what is allowed and does not fit fails, and does nothing.

local rights = prefix .. "rights"
local tried = {
  {"SET", rights, ""}, {"GET", rights}, {"SETNX", rights, ""}, {"MGET", rights}, {"TYPE", rights},
  {"EXISTS", rights}, {"RENAME", rights, rights}, {"MEMORY", "USAGE", rights}, {"TIME"},
  {"SCAN", "0", "COUNT", "1"}, {"UNLINK", rights .. ":none"},
  {"HGET", rights, ""}, {"HSET", rights, "", ""}, {"HDEL", rights, ""}, {"HKEYS", rights},
  {"HMGET", rights, ""}, {"HGETALL", rights}, {"HEXISTS", rights, ""}, {"HINCRBY", rights, "", "1"}, {"HLEN", rights},
  {"HSCAN", rights, "0"}, {"SADD", rights, ""}, {"SREM", rights, ""}, {"SMEMBERS", rights},
  {"SISMEMBER", rights, ""}, {"SCARD", rights}, {"LPUSH", rights, ""}, {"LPOS", rights, ""},
  {"LTRIM", rights, "0", "0"}, {"XADD", rights, "*", "", ""}, {"XDEL", rights, "1"}, {"XLEN", rights},
  {"XTRIM", rights, "MAXLEN", "1"}, {"XRANGE", rights, "-", "+"},
  {"XREVRANGE", rights, "+", "-"}, {"XREAD", "STREAMS", rights, "0"},
  {"XREADGROUP", "GROUP", worker_group, "rights", "STREAMS", rights, ">"},
  {"XACK", rights, worker_group, "1"}, {"XPENDING", rights, worker_group},
  {"XGROUP", "CREATE", rights, worker_group, "0"},
  {"XGROUP", "DELCONSUMER", rights, worker_group, "rights"},
  {"XINFO", "CONSUMERS", rights, worker_group}, {"DEL", rights}}

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
