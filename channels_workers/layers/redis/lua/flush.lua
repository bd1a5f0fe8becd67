-- flush.lua: let each server know of a flush by the server of ARGV[1]: what its connections had published
-- is gone, and that server has left its groups.
-- include: keys.lua about.lua
--
-- KEYS[1]  prefix
-- ARGV     1 server, or ""
-- writes   inbox:<server>
-- returns  "done"

for _, process in ipairs(on_key("HKEYS", processes)) do
  local told = read_told(process)
  if told and told.kind == "server" then
    on_key("XADD", inbox_key(process), "*", "f" .. ARGV[1], "")
  end
end
return "done"
