-- mend_keys.lua: set aside keys that have a foreign type, and streams that have no ids left.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     pairs: name of a key, without the prefix, and its type
-- writes   those keys, aside:<key>
-- returns  "done"

local function has_no_ids(key)
  local last = redis.call("XREVRANGE", key, "+", "-", "COUNT", 1)[1]
  return last and #string.match(last[1], "^%d+") > 18
end

for at = 1, #ARGV, 2 do
  local key = prefix .. ARGV[at]
  local found = redis.call("TYPE", key).ok
  if found ~= "none" and (found ~= ARGV[at + 1] or found == "stream" and has_no_ids(key)) then
    set_key_aside(key)
  end
end
return "done"
