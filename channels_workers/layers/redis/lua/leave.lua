-- leave.lua: remove a server from a group that has no members on it, unless one has joined since.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 server, 2 group, 3 id of the inbox entry of the last join that the server processed
-- writes   group:<name>, groups:<server>
-- returns  1 if it left, 0 if a later join is in its inbox

local server, group, entry = ARGV[1], ARGV[2], ARGV[3]
if on_key("HGET", group_key(group), server) ~= entry then return 0 end
on_key("HDEL", group_key(group), server)
on_key("SREM", groups_key(server), group)
return 1
