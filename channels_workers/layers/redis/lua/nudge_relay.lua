-- nudge_relay.lua: end the wait of a relay, or its next one.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 alias of the database
-- writes   nudge:<alias>
-- returns  1

local key = prefix .. "nudge:" .. ARGV[1]
on_key("LPUSH", key, "1")
on_key("LTRIM", key, 0, 0)
on_key("PEXPIRE", key, 60000)
return 1
