-- hand_over.lua: give what a server had for the client of a connection to the server that adopted it.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 the new server, 2 reply channel, 3 payload, "" if frames are gone
-- writes   inbox:<server>
-- returns  1; 0 if that server is gone

if on_key("HEXISTS", processes, ARGV[1]) == 0 then return 0 end
on_key("XADD", inbox_key(ARGV[1]), "*", "o" .. ARGV[2], ARGV[3])
return 1
