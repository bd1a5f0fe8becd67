-- prune_group.lua: remove all members from a group except living servers.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 group, 2 a server to remove as well, or ""
-- writes   group:<name>
-- returns  "done"

for _, member in ipairs(on_key("HKEYS", group_key(ARGV[1]))) do
  if member == ARGV[2] or on_key("HEXISTS", processes, member) == 0 then
    on_key("HDEL", group_key(ARGV[1]), member)
  end
end
return "done"
