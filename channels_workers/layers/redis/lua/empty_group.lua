-- empty_group.lua: let a group have no members but the servers that live, without one of them.
-- include: keys.lua
--
-- KEYS[1]  prefix
-- ARGV     1 group, 2 the server that leaves, or ""
-- writes   group:<name>
-- returns  "done"

for _, member in ipairs(on_key("HKEYS", group_key(ARGV[1]))) do
  if member == ARGV[2] or on_key("HEXISTS", processes, member) == 0 then
    on_key("HDEL", group_key(ARGV[1]), member)
  end
end
return "done"
