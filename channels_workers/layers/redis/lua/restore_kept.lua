-- restore_kept.lua: restore what Redis has lost of kept connections, before restore.lua restores them.
-- include: keys.lua connection.lua delayed.lua kept.lua
--
-- KEYS[1]  prefix
-- ARGV     1 server, 2 epoch, 3... connections, four arguments each: reply channel, how many of its
--          messages are websocket.resume, close code if it is parked, or "", its groups, separated by
--          spaces
-- writes   kept:<reply>, parked
-- returns  "done"
--
-- Parked connections wait anew.

local server = ARGV[1]
if on_key("GET", epoch) ~= ARGV[2] then
  return redis.error_reply("LOST Redis has lost its data once more")
end
for at = 3, #ARGV, 4 do
  local reply, resumes, code, groups = unpack(ARGV, at, at + 3)
  redis.call("DEL", kept_key(reply))
  on_key("ZREM", parked, reply)
  if string.match(reply, "^[^!]+") ~= server then on_key("HSET", kept_key(reply), "server", server) end
  if resumes ~= "0" then on_key("HSET", kept_key(reply), "resumes", resumes) end
  for group in string.gmatch(groups, "%S+") do on_key("HSET", kept_key(reply), "g" .. group, "") end
  if code ~= "" then set_parked(reply, code) end
end
return "done"
