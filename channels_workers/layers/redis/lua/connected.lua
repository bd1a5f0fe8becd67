-- connected.lua: return the connections that have not ended.
-- include: keys.lua epoch.lua
--
-- KEYS[1]  prefix
-- ARGV     1 server, or "" for kept connections, 2... its reply channels
-- returns  those that have a record, except requests whose client has gone

local transient = transient_error("")
if transient then return transient end
if redis.call("EXISTS", epoch) == 0 then
  return redis.error_reply("LOST Redis has lost its data")
end
local found = {}
if ARGV[1] == "" then
  for at = 2, #ARGV do
    if read_record(ARGV[at]) then found[#found + 1] = ARGV[at] end
  end
  return found
end
local records = on_key("HMGET", connections_key(ARGV[1]), unpack(ARGV, 2))
for at, record in ipairs(records) do
  local reply = ARGV[at + 1]
  local state = record and request_kind(reply) and (parse_record(record) or {}).state
  if record and state ~= "c" and state ~= "d" then found[#found + 1] = reply end
end
return found
